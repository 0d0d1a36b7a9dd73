// Answers input that is not an HTTP request with an error, and closes the connection.
import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

/** Time in which a peer must receive its last answer, in milliseconds. */
const lastAnswerTimeout = 5_000;

const answers: Readonly<Record<string, readonly [status: string, message: string]>> = {
  ERR_HTTP_REQUEST_TIMEOUT: ['408 Request Timeout', 'The request did not come in time.'],
  HPE_HEADER_OVERFLOW: ['431 Request Header Fields Too Large', 'The headers are too large.'],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: ['413 Payload Too Large', 'The extensions of the chunks are too large.'],
};

/** Sends the last answer of a connection and closes it, even if the peer neither reads it nor closes. */
export function endWith(socket: Socket, text: string): void {
  const late = setTimeout(() => socket.destroy(), lastAnswerTimeout);
  socket.once('close', () => clearTimeout(late));
  socket.end(text, () => socket.destroySoon());
}

/** Handles the `clientError` event of a node:http server. */
export function answerMalformed(error: NodeJS.ErrnoException, socket: Duplex): void {
  // The oldest response that is not sent yet. Node's own handler uses the same property.
  const { _httpMessage: pending } = socket as { _httpMessage?: ServerResponse };
  // The error may only be sent as the response to the malformed request, never in place of an earlier response.
  const isOwed = !pending || (!pending.req.complete && !pending.headersSent);
  // Any other error is one of the connection below HTTP, which cannot carry an answer.
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
