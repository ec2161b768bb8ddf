/** What fixtures/clients/websocket_client.py tells when fixtures/apps/flask_sock_app.py has done all of it well. */
export const FLASK_SOCK_TALK = {
  echoed: [true, true, true, true, true, true],
  joined: "one two three",
  pong: true,
  stopped: [1000, ""],
  closed: [4000, "of the application"],
  raised: ["before", [1011, ""]],
  "close code": 4001,
  refused: 400,
};
