#!/usr/bin/env node
import "./require-node.js";
void import("../dist/cli/main.js").then(({ main }) => main(process.argv.slice(2), process.env));
