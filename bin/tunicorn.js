#!/usr/bin/env node
import "./require-node.js";
await import("../dist/cli/main.js").then(({ main }) => main(process.argv.slice(2), process.env));
