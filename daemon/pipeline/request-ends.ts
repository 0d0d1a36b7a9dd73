// The outcome of each request, for metrics and access log.
import type { ErrorCode } from '../../proto/errors.js';
import type { OperationName } from '../../proto/schema/descriptor.js';
import type { Logger } from '../observability/log.js';
import { Distribution, durationBounds, Tally } from '../observability/metrics/distribution.js';
import type { RequestContext, Transport } from './request-context.js';

/** Requests of one operation over one transport. */
export class OperationCounts {
  /** Seconds from the decoded request to the durable record, failed requests included. */
  readonly durations = new Distribution(durationBounds);
  /** Those that failed, by error. */
  readonly errors = new Tally<ErrorCode>();
}

/** A request that named an operation. */
export interface EndedRequest {
  readonly origin: RequestContext;
  readonly operation: OperationName;
  /** The keys that it is about, as far as they were found. */
  readonly keys: readonly { readonly arn: string }[];
  readonly requestId: string;
  /** undefined: it succeeded. */
  readonly error: ErrorCode | undefined;
  readonly milliseconds: number;
}

/** A request that a transport refused before its operation began. */
export interface RefusedRequest {
  readonly errorCode: ErrorCode;
  readonly requestId: string;
  /** Name of the requested operation, if there is such an operation. */
  readonly operation?: string | undefined;
}

/** Counts requests, and writes the access log where the configuration asks for it. */
export class RequestEnds {
  /** Whether each request gets a line in the log. */
  logsRequests = false;
  readonly #operations: Readonly<Record<Transport, Map<OperationName, OperationCounts>>> = {
    native: new Map(),
    aws: new Map(),
  };
  /** Requests that were refused before their operation began, by error. */
  readonly refusals = new Tally<ErrorCode>();

  constructor(private readonly log: Logger) {}

  /** Notes the end of a request. */
  ended(request: EndedRequest): void {
    const { origin, operation, error, milliseconds } = request;
    const operations = this.#operations[origin.transport];
    let counts = operations.get(operation);
    if (!counts) operations.set(operation, (counts = new OperationCounts()));
    counts.durations.add(milliseconds / 1_000);
    if (error !== undefined) counts.errors.add(error);
    if (this.logsRequests) this.#write(request);
  }

  /** Notes a request that was refused. @param origin undefined: nobody was authenticated */
  refused(origin: RequestContext | undefined, { errorCode, requestId, operation }: RefusedRequest): void {
    this.refusals.add(errorCode);
    if (this.logsRequests)
      this.log.info({ requestId, operation, error: errorCode, ...asker(origin) }, 'request');
  }

  /** Counts by transport and operation. */
  *counts(): Iterable<{ transport: string; operation: string; counts: OperationCounts }> {
    for (const [transport, operations] of Object.entries(this.#operations))
      for (const [operation, counts] of operations) yield { transport, operation, counts };
  }

  #write({ origin, operation, keys, requestId, error, milliseconds }: EndedRequest): void {
    const durationMs = Math.round(milliseconds * 1_000) / 1_000;
    const named = keys.length > 0 ? keys.map(({ arn }) => arn) : undefined;
    this.log.info({ requestId, operation, keys: named, error, durationMs, ...asker(origin) }, 'request');
  }
}

function asker(origin: RequestContext | undefined): object {
  if (!origin) return {};
  const { caller, sourceAddress = 'unix', transport } = origin;
  return { principal: caller.arn, accessKeyId: caller.accessKeyId, source: sourceAddress, transport };
}
