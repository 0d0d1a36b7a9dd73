// Connections that were opened, and requests that end before an operation: of each principal, source and kind the first in
// a minute is recorded at once, the others as a count when the minute is over, so that no flood of them fills the disk.
import type { AuditLog } from '../audit/audit-log.js';
import type { Logger } from '../observability/log.js';
import { makeNotedEvent, type Noted } from './audit-event.js';
import type { RequestContext } from './request-context.js';
import type { RefusedRequest, RequestEnds } from './request-ends.js';

/** Who asked: a caller on a connection; or, where a request was refused before its signature was looked at, an address. */
export type Asker = RequestContext | { readonly address: string };

/** UTF-16 units of a user agent by which kinds are told apart. */
const userAgentLength = 256;

interface Counted {
  /** What its records need, and no more. */
  readonly asker: Pick<RequestContext, 'members'> | { readonly address: string };
  readonly noted: Noted;
  /** Those that are not in a record yet. */
  count: number;
  first: number;
  last: number;
  requestIds: string[];
  operations: Record<string, number>;
}

const minute = 60_000;
/** Kinds that are told apart in one minute; all others of one event are one. */
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

  /** Notes one. Returns at once. */
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

  /** Records what was counted; also to be called at a stop. */
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
    // Until the minute is over the count waits for a log that is whole.
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
