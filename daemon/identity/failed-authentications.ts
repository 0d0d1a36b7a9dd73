// Counts failed authentications by source and access key, to throttle repeated attempts before anything is computed, and to
// turn a flood of them into one audit record and a few log lines.
import { Tally } from '../observability/metrics/distribution.js';
import { sourceOf } from './source.js';

/** The failures of one source in one minute. */
export interface FailureSummary {
  /** IP address, or `unix` for the socket. */
  readonly source: string;
  readonly count: number;
  /** Epoch milliseconds of the first and of the last. */
  readonly first: number;
  readonly last: number;
  /** Counts by error code. */
  readonly codes: Readonly<Record<string, number>>;
  /** The first few access key IDs that were tried. */
  readonly accessKeyIds: readonly string[];
}

interface Failures {
  count: number;
  readonly first: number;
  last: number;
  readonly codes: Record<string, number>;
  /** Failures by access key id. */
  readonly accessKeys: Map<string, number>;
  /** Numbers of refusals, of any kind, that were logged and not logged. */
  logged: number;
  unlogged: number;
}

const minute = 60_000;
/** Sources that are counted separately in a minute. All others are counted together, to bound the memory. */
const maxSources = 10_000;
/** Access key IDs of one source that are counted separately. */
const maxAccessKeys = 1_000;
/** Access key IDs in one audit record. */
const maxAccessKeyIds = 10;
/** Log lines for the refusals of one source in one minute. */
const maxLogged = 5;
/** Pairs of source and access key that are remembered as authenticated; beyond that the oldest is forgotten. */
const maxProven = 10_000;

/** Outputs of the failures of a minute. */
export interface FailureOutputs {
  /** Records the failures of one source. */
  readonly record: (summary: FailureSummary) => Promise<void>;
  /** Logs the number of a source's refusals that were not logged individually. */
  readonly logRest: (source: string, unlogged: number) => void;
}

/**
 * Throttles an access key ID that failed too often from one source, and every unknown access key from a source that failed
 * too often. This does not lock out others: another access key from the same address (a proxy, a NAT gateway, the Unix
 * socket) still works, and so does one that has authenticated from there before, even if somebody else tries its ID.
 */
export class FailedAuthentications {
  /** Failures since the start, by error code. */
  readonly total = new Tally<string>([
    'IncompleteSignatureException',
    'InvalidSignatureException',
    'MissingAuthenticationTokenException',
    'ThrottlingException',
    'UnrecognizedClientException',
  ]);
  readonly #sources = new Map<string, Failures>();
  readonly #proven = new Set<string>();
  #timer: NodeJS.Timeout | undefined;

  /** @param limit failures per minute of one source, or of one access key from it, above which it is throttled */
  constructor(
    private readonly limit: number,
    private readonly outputs: FailureOutputs,
  ) {}

  /**
   * Decides whether a client must wait, before its signature or token is checked.
   * @param address IP address, or `unix`
   * @param isKnown whether such credentials exist; called only if necessary
   * @returns milliseconds to wait; 0 for none
   */
  mustWait(address: string, accessKeyId: string | undefined, isKnown: () => boolean): number {
    if (this.#sources.size === 0) return 0;
    const source = sourceOf(address);
    const failures = this.#sources.get(this.#nameOf(source));
    if (!failures || failures.count <= this.limit) return 0;
    const ofKey = failures.accessKeys.get(accessKeyId ?? '') ?? 0;
    if (ofKey <= this.limit && isKnown()) return 0;
    if (accessKeyId !== undefined && this.#proven.has(`${source} ${accessKeyId}`)) return 0;
    return untilNextMinute(Date.now());
  }

  /**
   * Counts a failure.
   * @param address IP address, or `unix`
   * @returns milliseconds for which the source should wait; 0 while it is within the limit
   */
  note(address: string, code: string, accessKeyId: string | undefined): number {
    const now = Date.now();
    const failures = this.#of(sourceOf(address), now);
    failures.count += 1;
    failures.last = now;
    this.total.add(code);
    failures.codes[code] = (failures.codes[code] ?? 0) + 1;
    // Text that does not look like an access key ID may be a secret in the wrong place.
    const isPlausible = accessKeyId !== undefined && /^A[A-Z0-9]{15,31}$/.test(accessKeyId);
    const { accessKeys } = failures;
    if (isPlausible && (accessKeys.has(accessKeyId) || accessKeys.size < maxAccessKeys))
      accessKeys.set(accessKeyId, (accessKeys.get(accessKeyId) ?? 0) + 1);
    return failures.count > this.limit ? untilNextMinute(now) : 0;
  }

  /** Remembers that an access key has authenticated from an address. */
  noteSuccess(address: string, accessKeyId: string | undefined): void {
    if (accessKeyId === undefined) return;
    const pair = `${sourceOf(address)} ${accessKeyId}`;
    if (this.#proven.has(pair)) return;
    this.#proven.add(pair);
    const [oldest] = this.#proven;
    if (this.#proven.size > maxProven) this.#proven.delete(oldest!);
  }

  /** Whether a refusal gets its own log line; the others are summarised at the end of the minute. */
  mayLog(address: string): boolean {
    const failures = this.#of(sourceOf(address), Date.now());
    const isLogged = failures.logged < maxLogged;
    if (isLogged) failures.logged += 1;
    else failures.unlogged += 1;
    return isLogged;
  }

  /** Records the counts. Also called at a stop. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const counted = [...this.#sources];
    this.#sources.clear();
    for (const [source, { unlogged }] of counted) if (unlogged > 0) this.outputs.logRest(source, unlogged);
    for (const [source, { count, first, last, codes, accessKeys }] of counted) {
      if (count === 0) continue;
      const accessKeyIds = [...accessKeys.keys()].slice(0, maxAccessKeyIds);
      await this.outputs.record({ source, count, first, last, codes, accessKeyIds });
    }
  }

  #nameOf(source: string): string {
    return this.#sources.has(source) || this.#sources.size < maxSources ? source : 'others';
  }

  #of(source: string, now: number): Failures {
    const name = this.#nameOf(source);
    let failures = this.#sources.get(name);
    if (!failures) {
      this.#timer ??= setTimeout(() => {
        this.flush().catch(() => undefined);
      }, untilNextMinute(now)).unref();
      const none = { count: 0, first: now, last: now, logged: 0, unlogged: 0 };
      failures = { ...none, codes: {}, accessKeys: new Map() };
      this.#sources.set(name, failures);
    }
    return failures;
  }
}

function untilNextMinute(now: number): number {
  return minute - (now % minute);
}
