import { cpSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";

import { runProgram } from "../helpers/program.ts";
import { python } from "../helpers/server.ts";
import { temporaryFolder } from "../helpers/temporary-folder.ts";

/** For a step that installs packages from PyPI: Node's alone has 60 MB. */
const STEP_DEADLINE_MS = 300_000;

/** What a Dockerfile makes: here a folder instead of a file system, and a virtual environment instead of an image's Python. */
export interface Image {
  readonly workingFolder: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly command: readonly string[];
}

interface Instruction {
  readonly name: string;
  readonly value: string;
}

export interface ImageOptions {
  /** Folder of the Dockerfile. */
  readonly context: string;
  /** Where the virtual environment is made, if it is not there yet: what an earlier image installed is there again. */
  readonly venv: string;
  /** A file for pip, which says where it finds what is not on PyPI. */
  readonly constraints: string;
}

/**
 * Carries a Dockerfile out, line by line, in a virtual environment. Nothing but that environment's programs is on
 * the PATH.
 */
export async function buildImage(t: TestContext, options: ImageOptions): Promise<Image> {
  const { context, venv, constraints } = options;
  const root = await temporaryFolder(t);
  const image = { workingFolder: join(root, "files"), environment: {}, command: [] as string[] };
  mkdirSync(image.workingFolder);
  for (const { name, value } of readDockerfile(join(context, "Dockerfile"))) {
    switch (name) {
      case "FROM":
        if (!/^python:3\.1\d(-slim)?$/.test(value))
          throw new Error(`An image that is not known here: ${value}`);
        if (!existsSync(venv)) await runStep(t, root, process.env, [python, "-m", "venv", venv]);
        image.environment = { PATH: join(venv, "bin"), PIP_CONSTRAINT: constraints };
        break;
      case "WORKDIR":
        image.workingFolder = join(root, "files", value);
        mkdirSync(image.workingFolder, { recursive: true });
        break;
      case "COPY":
        copy(context, image.workingFolder, value);
        break;
      case "ENV":
        image.environment = { ...image.environment, ...parseVariable(value) };
        break;
      case "RUN":
        await runStep(t, image.workingFolder, { ...process.env, ...image.environment }, [
          "/bin/sh",
          "-c",
          value,
        ]);
        break;
      case "EXPOSE":
        break;
      case "CMD":
        image.command = JSON.parse(value) as string[];
        break;
      default:
        throw new Error(`An instruction that is not known here: ${name}`);
    }
  }
  return image;
}

function readDockerfile(path: string): readonly Instruction[] {
  const lines = readFileSync(path, "utf8").split("\n");
  return lines
    .filter((line) => line.trim() !== "" && !line.startsWith("#"))
    .map((line) => {
      const [, name = "", value = ""] = /^([A-Z]+)\s+(.*)$/.exec(line) ?? [];
      return { name, value };
    });
}

function copy(context: string, workingFolder: string, value: string): void {
  const [from = "", to = "", ...rest] = value.split(/\s+/);
  if (rest.length > 0) throw new Error(`COPY with more than two words: ${value}`);
  const target = from === "." ? join(workingFolder, to) : join(workingFolder, to, from);
  cpSync(join(context, from), target, { recursive: true });
}

function parseVariable(value: string): Record<string, string> {
  const [name = "", ...rest] = value.split("=");
  return { [name]: rest.join("=") };
}

async function runStep(
  t: TestContext,
  cwd: string,
  env: NodeJS.ProcessEnv,
  [command = "", ...args]: readonly string[],
): Promise<void> {
  const end = await runProgram(t, command, args, { cwd, env, deadlineMs: STEP_DEADLINE_MS });
  if (end.status !== 0) {
    throw new Error(`${command} ${args.join(" ")} ended with ${end.status}:\n${end.stdout}${end.stderr}`);
  }
}
