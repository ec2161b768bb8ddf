/**
 * reading: a request is awaited or arrives. answering: it is complete, its response is not.
 * flushing: the last answer is written, not yet taken. lingering: our side is closed. closed: all is over,
 * or another protocol has the socket.
 */
export type ConnectionState = "reading" | "answering" | "flushing" | "lingering" | "closed";
