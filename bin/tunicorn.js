#!/usr/bin/env node
require("./require-node.js");
const { main } = requireProgram("../dist/bundle/command.cjs");

void main(process.argv.slice(2), process.env);

/** In a checkout there is none before it is built. */
function requireProgram(path) {
  try {
    return require(path);
  } catch (error) {
    if (error.code !== "MODULE_NOT_FOUND") throw error;
    process.stderr.write(
      `tunicorn: There is no ${require("node:path").join(__dirname, path)}: it is not built\n  In a checkout, run npm ci\n`,
    );
    process.exit(1);
  }
}
