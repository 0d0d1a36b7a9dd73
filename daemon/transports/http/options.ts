// Limits for HTTP clients before they are authenticated, in milliseconds and bytes.

/** From a request's first byte to the end of its headers. */
export const headersTimeout = 10_000;
/** From a request's first byte to its body's last. */
export const requestTimeout = 20_000;
/** Bytes of all headers of a request. */
export const maxHeaderSize = 16_384;
/** Longer than most clients keep an idle connection: otherwise they would send into a connection that is being closed. */
export const keepAliveTimeout = 65_000;
/** For a connection without traffic in either direction; longer than the slowest operation. */
export const idleTimeout = 180_000;
/** Interval of HTTP/2 pings, and the time-out of their answers. */
export const pingInterval = 10_000;

/** Options of HTTP/1.1 servers, with or without TLS. */
export const httpOptions = {
  headersTimeout,
  requestTimeout,
  keepAliveTimeout,
  maxHeaderSize,
  connectionsCheckingInterval: 2_000,
  // A missing Host fails the signature check, which gives a better error.
  requireHostHeader: false,
};
