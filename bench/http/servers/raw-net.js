// The least that could be called a web server: finds the end of a request without a body, and answers.
// Plain JavaScript, as raw-http.js.
import { createServer } from "node:net";

const ANSWER = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\nHello, World!";
const CLOSING_ANSWER = ANSWER.replace("\r\n", "\r\nConnection: close\r\n");
const port = Number(process.argv[2]);

createServer({ noDelay: true }, (socket) => {
  let text = "";
  socket.on("data", (bytes) => {
    text += bytes.latin1Slice();
    if (!text.endsWith("\r\n\r\n")) return;
    if (text.includes("Connection: close")) socket.end(CLOSING_ANSWER);
    else socket.write(ANSWER);
    text = "";
  });
  socket.on("error", () => socket.destroy());
}).listen(port, "127.0.0.1", 2048);
