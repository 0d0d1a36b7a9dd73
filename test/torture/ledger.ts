// Every request with its answer, compared with the audit log: each answered request is there exactly once, with the
// same outcome; one whose answer was lost at most once; nothing else.
import {
  type Client,
  ConnectionError,
  type OperationMethods,
  ServiceError,
  TimeoutError,
} from '../../client/index.js';
import type { AuditRecord } from './audit.js';

type Method = keyof OperationMethods;
type RequestOf<Name extends Method> = NonNullable<Parameters<OperationMethods[Name]>[0]>;
type ResponseOf<Name extends Method> = Awaited<ReturnType<OperationMethods[Name]>>;

/** An answer: a response, an error's code, or `unknown` if none came. */
export type Reply<Response> =
  | { readonly code: 'ok'; readonly response: Response }
  | { readonly code: 'unknown' | ServiceError['code']; readonly response?: undefined };

interface Entry {
  readonly answered: Map<string, number>;
  unknown: number;
}

const changes = /^(create|enable|disable|schedule|cancel|rotate|import|delete|getParameters)/;

export class Ledger {
  readonly #entries = new Map<string, Entry>();
  /** Number of requests so far. */
  calls = 0;
  /** Answers by operation and code, over the whole run. */
  readonly totals = new Map<string, number>();
  /** Number of changes in flight. */
  changesInFlight = 0;

  async call<Name extends Method>(
    client: Client,
    method: Name,
    request: RequestOf<Name>,
  ): Promise<Reply<ResponseOf<Name>>> {
    const operation = method.charAt(0).toUpperCase() + method.slice(1);
    const entry = this.#entry(nameOf(operation, request));
    const isChange = changes.test(method);
    this.calls += 1;
    if (isChange) this.changesInFlight += 1;
    const reply = await answer(() =>
      (client[method] as (request: object) => Promise<ResponseOf<Name>>)(request),
    );
    if (isChange) this.changesInFlight -= 1;
    if (reply.code === 'unknown') entry.unknown += 1;
    else add(entry.answered, reply.code);
    add(this.totals, `${operation} ${reply.code}`);
    return reply;
  }

  /**
   * Compares with the records written since the last call. No request may be in flight.
   * @returns the faults
   */
  settle(records: readonly AuditRecord[]): string[] {
    const recorded = new Map<string, Map<string, number>>();
    for (const { eventName, requestParameters, errorCode = 'ok' } of records) {
      const name = nameOf(eventName, requestParameters ?? {});
      const counts = recorded.get(name) ?? new Map<string, number>();
      recorded.set(name, counts);
      add(counts, errorCode);
    }
    const faults: string[] = [];
    for (const name of new Set([...this.#entries.keys(), ...recorded.keys()])) {
      const { answered, unknown } = this.#entries.get(name) ?? {
        answered: new Map<string, number>(),
        unknown: 0,
      };
      const counts = recorded.get(name) ?? new Map<string, number>();
      for (const [code, count] of answered) {
        const found = counts.get(code) ?? 0;
        if (found < count) faults.push(`${name}: ${count} answered with ${code}, ${found} in the audit log`);
      }
      const surplus = sum(counts) - sum(answered);
      if (surplus > unknown) {
        faults.push(
          `${name}: ${sum(counts)} in the audit log, ${sum(answered)} answered, ${unknown} without an answer`,
        );
      }
    }
    this.#entries.clear();
    return faults;
  }

  #entry(name: string): Entry {
    let entry = this.#entries.get(name);
    if (!entry) this.#entries.set(name, (entry = { answered: new Map(), unknown: 0 }));
    return entry;
  }
}

async function answer<Response>(call: () => Promise<Response>): Promise<Reply<Response>> {
  try {
    return { code: 'ok', response: await call() };
  } catch (error) {
    if (error instanceof ServiceError) return { code: error.code };
    if (error instanceof ConnectionError || error instanceof TimeoutError) return { code: 'unknown' };
    throw error;
  }
}

/** Fields that the audit log shows whether or not a request has them, as CloudTrail does. */
const writtenOut: ReadonlySet<string> = new Set([
  ...['encryptionAlgorithm', 'sourceEncryptionAlgorithm', 'destinationEncryptionAlgorithm'],
  ...['keyUsage', 'keySpec', 'customerMasterKeySpec', 'origin', 'multiRegion'],
  'bypassPolicyLockoutSafetyCheck',
]);

/** Identifies a request by its operation and the fields in the audit log, which has no bytes. */
function nameOf(operation: string, request: object): string {
  return `${operation} ${JSON.stringify(sorted(request))}`;
}

function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const members = Object.entries(value).filter(
    ([name, member]) => !(member instanceof Uint8Array) && !writtenOut.has(name),
  );
  return Object.fromEntries(members.map(([name, member]) => [name, sorted(member)]).sort());
}

function add(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}

function sum(counts: ReadonlyMap<string, number>): number {
  return [...counts.values()].reduce((total, count) => total + count, 0);
}
