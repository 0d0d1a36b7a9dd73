// What is no HTTP request gets an answer that says so, and the connection ends.
import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

/** How long a peer may take to take its last answer, in milliseconds. */
const lastAnswerTimeout = 5_000;

const answers: Readonly<Record<string, readonly [status: string, message: string]>> = {
  ERR_HTTP_REQUEST_TIMEOUT: ['408 Request Timeout', 'The request did not come in time.'],
  HPE_HEADER_OVERFLOW: ['431 Request Header Fields Too Large', 'The headers are too large.'],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: ['413 Payload Too Large', 'The extensions of the chunks are too large.'],
};

/** Sends the last answer of a connection and closes it, whether or not the peer does, or reads. */
export function endWith(socket: Socket, text: string): void {
  const late = setTimeout(() => socket.destroy(), lastAnswerTimeout);
  socket.once('close', () => clearTimeout(late));
  socket.end(text, () => socket.destroySoon());
}

/** Handles `clientError` of a node:http server. */
export function answerMalformed(error: NodeJS.ErrnoException, socket: Duplex): void {
  // The oldest reply that is not sent, by which the server's own handler asks too.
  const { _httpMessage: pending } = socket as { _httpMessage?: ServerResponse };
  // Only the reply to what is malformed may be given here: it must not take the place of an earlier one's.
  const isOwed = !pending || (!pending.req.complete && !pending.headersSent);
  // What is no fault of HTTP is one of the connection below, which would not carry an answer.
  const isHttp = /^(HPE|ERR_HTTP)_/.test(error.code ?? '');
  if (!isOwed || !isHttp || !socket.writable) {
    socket.destroy();
    return;
  }
  const [status, message] = answers[error.code ?? ''] ?? ['400 Bad Request', 'This is not an HTTP request.'];
  const body = JSON.stringify({ __type: 'SerializationException', message });
  endWith(
    socket as Socket,
    `HTTP/1.1 ${status}\r\nContent-Type: application/x-amz-json-1.1\r\nx-amzn-RequestId: ${randomUUID()}\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}
