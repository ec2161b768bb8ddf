// Plain JavaScript: run through tsx, this row's memory would include the loader.
import { createServer } from "node:http";

const BODY = "Hello, World!";
const port = Number(process.argv[2]);

createServer((_request, response) => {
  response.writeHead(200, { "Content-Type": "text/plain", "Content-Length": BODY.length });
  response.end(BODY);
}).listen(port, "127.0.0.1", 2048);
