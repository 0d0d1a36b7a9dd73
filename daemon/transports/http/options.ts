// Bounds on what a client may do over HTTP before it is authenticated, in milliseconds and bytes.

export const headersTimeout = 10_000;
/** From a request's first byte to its body's last. */
export const requestTimeout = 20_000;
export const maxHeaderSize = 16_384;
/** Longer than most clients keep an idle connection: else one would send into a connection that is being closed. */
export const keepAliveTimeout = 65_000;
/** Nothing in either direction; longer than the slowest operation. */
export const idleTimeout = 180_000;
/** Of HTTP/2; the answer to a ping has as long. */
export const pingInterval = 10_000;

/** For HTTP/1.1, with TLS or without. */
export const httpOptions = {
  headersTimeout,
  requestTimeout,
  keepAliveTimeout,
  maxHeaderSize,
  connectionsCheckingInterval: 2_000,
  // Where it is missed the signature says so, with an error that can be read.
  requireHostHeader: false,
};
