/** `npm run check`: linters, formatters and type checks of both languages. */
import { join } from "node:path";
import { installNodeModules, installPythonPackages, root, run } from "./steps.js";

installNodeModules();
installPythonPackages(".venv", "requirements-test.txt");

const bin = (name) => join(root, "node_modules", ".bin", name);
const venv = (name) => join(root, ".venv", "bin", name);
const checks = [
  ["TypeScript types", bin("tsc"), ["-p", "tsconfig.json"]],
  ["TypeScript lint", bin("oxlint"), ["--type-aware", "--deny-warnings"]],
  ["TypeScript format", bin("oxfmt"), ["--check", "."]],
  ["Python types", venv("mypy"), ["python/tunicorn", "python/tests"]],
  ["Python lint", venv("ruff"), ["check", "--quiet", "."]],
  ["Python format", venv("ruff"), ["format", "--check", "--quiet", "."]],
];

const failed = checks.filter(([name, command, args]) => {
  const isGood = run(command, args) === 0;
  process.stdout.write(`${isGood ? "ok    " : "FAILED"} ${name}\n`);
  return !isGood;
});
process.exit(failed.length === 0 ? 0 : 1);
