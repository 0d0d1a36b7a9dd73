// Records opened connections, and requests that are refused before their operation. For each principal, source and kind, the
// first in a minute is recorded at once, and the others as a count at the end of the minute, so that a flood cannot fill the
// disk.
import type { AuditLog } from '../audit/audit-log.js';
import type { Logger } from '../observability/log.js';
import { makeNotedEvent, type Noted } from './audit-event.js';
import type { RequestContext } from './request-context.js';
import type { RefusedRequest, RequestEnds } from './request-ends.js';

/** The source of a request: the caller of a connection; or only an address, if the signature was not checked yet. */
export type Asker = RequestContext | { readonly address: string };

/** UTF-16 code units of a user agent that distinguish kinds. */
const userAgentLength = 256;

interface Counted {
  /** Only what its records need. */
  readonly asker: Pick<RequestContext, 'members'> | { readonly address: string };
  readonly noted: Noted;
  /** How many are not recorded yet. */
  count: number;
  first: number;
  last: number;
  requestIds: string[];
  operations: Record<string, number>;
}

const minute = 60_000;
/** Kinds that are distinguished in one minute. The rest are counted together, by event name. */
const maxKinds = 10_000;
const maxRequestIds = 10;

/** Records opened connections and refused requests in the audit log. */
export class NotedRequests {
  readonly #kinds = new Map<string, Counted>();
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly account: string,
    private readonly region: string,
    private readonly audit: AuditLog,
    private readonly ends: RequestEnds,
    private readonly log: Logger,
  ) {}

  /** Notes a request that a transport refuses before its operation begins. Returns at once. */
  refuse(asker: Asker, refused: RefusedRequest): void {
    this.ends.refused('caller' in asker ? asker : undefined, refused);
    this.note(asker, { eventName: 'RefuseRequest', ...refused });
  }

  /** Notes an opened connection or a refused request. Returns at once. */
  note(asker: Asker, noted: Noted): void {
    const now = Date.now();
    this.#timer ??= setTimeout(
      () => {
        this.flush().catch((error: unknown) => this.#failed(error));
      },
      minute - (now % minute),
    ).unref();
    const counted = this.#of(asker, noted, now);
    const isFirst = counted.count === 0 && counted.first === 0;
    this.#count(counted, noted, now);
    if (isFirst) this.#record(counted).catch((error: unknown) => this.#failed(error));
  }

  /** Records the counts. Call it before the daemon stops, too. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const all = [...this.#kinds.values()];
    this.#kinds.clear();
    for (const counted of all) await this.#record(counted, true);
  }

  #failed(error: unknown): void {
    this.log.error({ err: error }, 'requests could not be recorded');
  }

  #of(asker: Asker, noted: Noted, now: number): Counted {
    const { eventName, errorCode = '' } = noted;
    const who =
      'caller' in asker
        ? `${asker.caller.principalId} ${asker.caller.accessKeyId ?? ''} ${asker.sourceAddress ?? ''} ${asker.userAgent.slice(0, userAgentLength)}`
        : asker.address;
    const others = `${eventName} others`;
    const wanted = `${eventName} ${errorCode} ${who}`;
    const isKnown = this.#kinds.has(wanted) || this.#kinds.size < maxKinds;
    const name = isKnown ? wanted : others;
    let counted = this.#kinds.get(name);
    if (!counted) {
      const common = { count: 0, first: 0, last: now, requestIds: [], operations: {} };
      const known = 'caller' in asker ? { members: asker.members } : asker;
      counted = { asker: isKnown ? known : { address: 'others' }, noted, ...common };
      this.#kinds.set(name, counted);
    }
    return counted;
  }

  #count(counted: Counted, { requestId, operation }: Noted, now: number): void {
    if (counted.count === 0) counted.first = now;
    counted.count += 1;
    counted.last = now;
    if (requestId !== undefined && counted.requestIds.length < maxRequestIds)
      counted.requestIds.push(requestId);
    if (operation !== undefined) counted.operations[operation] = (counted.operations[operation] ?? 0) + 1;
  }

  async #record(counted: Counted, isLast = false): Promise<void> {
    const { asker, noted, count, first, last, requestIds, operations } = counted;
    if (count === 0) return;
    // While the log is not available, the count waits until the minute is over.
    if (!this.audit.available && !isLast) return;
    const { eventName, errorCode } = noted;
    const summary = { eventName, errorCode, count, first, last, requestIds, operations };
    Object.assign(counted, { count: 0, requestIds: [], operations: {} });
    try {
      await this.audit.append(makeNotedEvent(this.account, this.region, asker, summary).members);
    } catch (error) {
      this.log.error({ err: error, eventName, errorCode, count }, 'requests could not be recorded');
    }
  }
}
