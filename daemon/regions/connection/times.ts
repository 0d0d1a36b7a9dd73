/** Times of the connections between Regions, in milliseconds. */
export interface RegionTimes {
  /** From the connection of the socket to the end of the WebSocket upgrade. */
  readonly handshake: number;
  /** From a request to its answer. */
  readonly request: number;
  /** Between two pings. A peer that does not answer one before the next is considered gone. */
  readonly ping: number;
  /** For the requests in flight on a connection that is being replaced or closed. */
  readonly drain: number;
  /** Before the second attempt to connect. The time doubles with each further one. */
  readonly firstDelay: number;
  readonly longestDelay: number;
  /** How long both Regions use a generation before older ones are removed. */
  readonly retire: number;
}

/** The times that the daemon uses. */
export const regionTimes: RegionTimes = {
  handshake: 10_000,
  request: 60_000,
  ping: 15_000,
  drain: 10_000,
  firstDelay: 1_000,
  longestDelay: 30_000,
  retire: 10_000,
};
