import { run } from "tunicorn";

const server = await run({
  application: "hello:app",
  settings: { chdir: "../hello", bind: "127.0.0.1:8000", workers: 2, accesslog: "-" },
});
console.log(`Serving at ${server.addresses.join(", ")}`);
await server.stopped;
console.log("Served");
