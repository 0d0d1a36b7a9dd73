// Failed authentications, counted by where they come from: to slow down who keeps trying, and so that a flood of them
// is one line in the audit log and not a flood of lines.

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
  /** The first few access key ids that were tried. */
  readonly accessKeyIds: readonly string[];
}

interface Failures {
  count: number;
  readonly first: number;
  last: number;
  readonly codes: Record<string, number>;
  readonly accessKeyIds: Set<string>;
}

const minute = 60_000;
/** Sources that are told apart in one minute; all others are one, so that no flood of addresses fills the memory. */
const maxSources = 10_000;
const maxAccessKeyIds = 10;

export class FailedAuthentications {
  readonly #sources = new Map<string, Failures>();
  #timer: NodeJS.Timeout | undefined;

  /**
   * @param limit failures of one source in one minute past which it is throttled
   * @param record is given each source's failures when the minute is over
   */
  constructor(
    private readonly limit: number,
    private readonly record: (summary: FailureSummary) => Promise<void>,
  ) {}

  /**
   * Counts a failure.
   * @param address IP address, or `unix`
   * @returns milliseconds for which the source should not try again; 0 while it is within the limit
   */
  note(address: string, code: string, accessKeyId: string | undefined): number {
    const now = Date.now();
    this.#timer ??= setTimeout(() => void this.flush(), minute - (now % minute)).unref();
    const failures = this.#of(sourceOf(address), now);
    failures.count += 1;
    failures.last = now;
    failures.codes[code] = (failures.codes[code] ?? 0) + 1;
    // What has not the form of an access key id may be a secret that somebody put in the wrong place.
    const isPlausible = accessKeyId !== undefined && /^A[A-Z0-9]{15,31}$/.test(accessKeyId);
    if (isPlausible && failures.accessKeyIds.size < maxAccessKeyIds) failures.accessKeyIds.add(accessKeyId);
    return failures.count > this.limit ? minute - (now % minute) : 0;
  }

  /** Records what was counted; also to be called at a stop. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const counted = [...this.#sources];
    this.#sources.clear();
    for (const [source, failures] of counted)
      await this.record({ ...failures, source, accessKeyIds: [...failures.accessKeyIds] });
  }

  #of(source: string, now: number): Failures {
    const name = this.#sources.has(source) || this.#sources.size < maxSources ? source : 'others';
    let failures = this.#sources.get(name);
    if (!failures) {
      failures = { count: 0, first: now, last: now, codes: {}, accessKeyIds: new Set() };
      this.#sources.set(name, failures);
    }
    return failures;
  }
}

/** Who has one IPv6 address has the 2^64 of its network: they are one source. */
function sourceOf(address: string): string {
  const mapped = /^::ffff:([0-9.]+)$/.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  if (!address.includes(':')) return address;
  const [head = '', tail] = address.replace(/%.*$/, '').split('::');
  const groups = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : 8 - groups.length - after.length;
  const all = [...groups, ...Array.from({ length: zeros }, () => '0'), ...after];
  return `${all.slice(0, 4).join(':')}::/64`;
}
