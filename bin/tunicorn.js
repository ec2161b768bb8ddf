#!/usr/bin/env node
require("./require-node.js");
const { main } = require("../dist/bundle/command.cjs");

void main(process.argv.slice(2), process.env);
