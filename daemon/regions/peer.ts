// What linked Regions are to each other: whom a Region can ask, how, and who answers.

/** A complete link to another Region, in one of its generations. */
export interface PeerLink {
  /** The peer's name, such as `eu-central-1`. */
  readonly region: string;
  /** The same on both sides: 20 hexadecimal digits. */
  readonly linkId: string;
  /** From 1. */
  readonly generation: number;
  /** Verifies what the peer sends over the link: ECDSA on P-256. SPKI in DER. */
  readonly signingKey: Buffer;
}

/** The Regions that this one is linked to. */
export interface Peers {
  /** This Region's name. */
  readonly own: string;
  /** Regions with a complete link, sorted. */
  linked(): readonly string[];
  /** The link to a Region, in the newest generation that is complete on both sides. @returns undefined if there is no complete link */
  linkTo(region: string): PeerLink | undefined;
  /**
   * One generation of the link to a Region, to verify what the peer sent with it.
   * @returns undefined if that generation does not exist or is not complete
   */
  linkOf(region: string, generation: number): PeerLink | undefined;
  /**
   * Sends a request and waits for the answer.
   * @param name names the request
   * @param body JSON; at most {@link largestMessage} bytes with its frame
   * @returns the body of the answer, which the caller decodes
   * @throws PeerError
   */
  request(region: string, name: string, body: unknown): Promise<unknown>;
  /** Calls back whenever a connection to a Region is open anew. */
  onConnected(callback: (region: string) => void): void;
}

/**
 * Answers the requests of other Regions.
 * @param from the Region that asks, authenticated by the certificate that was pinned at the link
 * @returns the body of the answer; undefined is sent as null
 * @throws ServiceError its code and message are sent to the peer
 */
export type PeerHandler = (from: string, name: string, body: unknown) => Promise<unknown>;

/** The largest message between Regions, in bytes. */
export const largestMessage = 1024 * 1024;

/** Requests of one Region that another one executes at the same time. Further ones wait in the Region that asks. */
export const mostInFlight = 64;

/**
 * Why a request got no answer.
 * - `not-linked`: there is no complete link to that Region.
 * - `unreachable`: the Region is away. Nothing was executed.
 * - `unknown`: the request was sent and no answer came: it may have been executed.
 * - `refused`: the Region answered with an error.
 */
export type PeerErrorCode = 'not-linked' | 'unreachable' | 'unknown' | 'refused';

/** A request to another Region that got no answer, or an error as its answer. */
export class PeerError extends Error {
  override readonly name = 'PeerError';

  /** @param refusal with `refused`: the code of the peer's error, such as `AccessDeniedException` */
  constructor(
    readonly code: PeerErrorCode,
    readonly region: string,
    message: string,
    readonly refusal?: string,
  ) {
    super(message);
  }
}
