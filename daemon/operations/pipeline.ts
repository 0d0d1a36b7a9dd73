// The way of every request, whatever transport it came by:
// resolve key → authorize → check state and usage → execute → audit. Nothing is answered before its event is durable.
import type { OperationShape } from '../../proto/descriptor.js';
import { errorTable, exceptions, type ServiceError } from '../../proto/errors.js';
import type { AuditLog } from '../audit/audit-log.js';
import type { Authenticator } from '../identity/authenticator.js';
import type { Key } from '../keys/keyring.js';
import { checkState } from '../keys/states.js';
import type { Logger } from '../observability/log.js';
import { authorize } from '../policy/authorize.js';
import { StoreError } from '../store/store.js';
import { type Event, makeEvent, type Origin } from './audit-event.js';
import { toServiceError } from './failures.js';
import type { AnyOperation, Outcome, Permission, Services } from './operation.js';
import type { OwedEvents } from './owed-events.js';
import { operationTable } from './table.js';
import { validate } from './validation.js';

type Message = Record<string, unknown>;

/** A result to be encoded. `wipe` is called when it has been. */
export interface Answer {
  readonly response: object;
  wipe(): void;
}

export class Pipeline {
  constructor(
    private readonly services: Services,
    private readonly audit: AuditLog,
    private readonly owed: OwedEvents,
    private readonly authenticator: Authenticator,
    private readonly log: Logger,
  ) {}

  /**
   * Executes a request.
   * @param refusal where the transport could not make sense of the message: recorded like every other request
   * @throws ServiceError
   */
  async execute(
    origin: Origin,
    shape: OperationShape,
    request: Message,
    refusal?: ServiceError,
  ): Promise<Answer> {
    const operation = operationTable.get(shape.name)!;
    const keys: Key[] = [];
    let outcome: Outcome<object> | undefined;
    try {
      if (!this.audit.available) throw new exceptions.KMSInternalException(auditUnavailable);
      if (refusal) throw refusal;
      if (!this.authenticator.isCurrent(origin.caller)) {
        throw new exceptions.UnrecognizedClientException(
          'The security token included in the request is invalid.',
        );
      }
      validate(shape.request, request);
      for (const permission of operation.permissions) this.#permit(origin, permission, request, keys);
      checkKeys(operation, keys);
      outcome = await operation.handle(request, keys, this.services);
      const { response, keyMaterialId } = outcome;
      const event = makeEvent(origin, { operation, request, keys, keyMaterialId, response });
      if (outcome.changes) await this.#commit(outcome, event);
      await this.#append(event, outcome.changes !== undefined);
    } catch (error) {
      wipe(outcome);
      throw await this.#fail(origin, operation, request, keys, error);
    }
    const done = outcome;
    return { response: done.response, wipe: () => wipe(done) };
  }

  #permit(origin: Origin, permission: Permission<Message>, request: Message, keys: Key[]): void {
    const { action } = permission;
    const key = permission.key?.(request, this.services);
    if (key) keys.push(key);
    const resource = key?.arn ?? permission.resource?.(request, this.services) ?? '*';
    try {
      authorize({ principal: origin.caller, action, resource, keyPolicy: key?.record.policy });
    } catch (error) {
      throw permission.denied?.(request) ?? error;
    }
  }

  async #append(event: Event, isChange: boolean): Promise<void> {
    try {
      await this.audit.append(event.members);
    } catch (error) {
      if (isChange) this.owed.refused(event);
      throw error;
    }
    if (isChange) this.owed.settle(event);
  }

  async #commit(outcome: Outcome<object>, event: Event): Promise<void> {
    const changes = outcome.changes ?? (() => []);
    try {
      await this.services.records.commit(() => [...changes(), ...this.owed.withEvent(event)]);
    } catch (error) {
      // A batch that failed while it was written may yet be found written at the next start. Then its intent is gone
      // with it; else the next start undoes the intent. Undoing now could destroy the material of a committed key.
      const unwritten = !(error instanceof StoreError) || error.code === 'precondition-failed';
      if (unwritten) await outcome.undo?.();
      throw error;
    }
  }

  /** Records a failure. @returns the error that the client is told */
  async #fail(
    origin: Origin,
    operation: AnyOperation,
    request: Message,
    keys: readonly Key[],
    cause: unknown,
  ): Promise<ServiceError> {
    const error = toServiceError(cause);
    if (errorTable[error.code].httpStatus === 500)
      this.log.error({ operation: operation.name, err: error.cause }, error.message);
    if (!this.audit.available) return error;
    try {
      await this.audit.append(makeEvent(origin, { operation, request, keys, error }).members);
      return error;
    } catch (auditError) {
      return toServiceError(auditError);
    }
  }
}

const auditUnavailable =
  'The audit log cannot be written, and nothing is done unrecorded: see the log of the daemon.';

/** @throws as the state table says; InvalidKeyUsageException */
function checkKeys({ states, usage }: AnyOperation, keys: readonly Key[]): void {
  for (const key of keys) {
    if (states) checkState(key, states);
    if (usage && key.record.keyUsage !== usage) {
      throw new exceptions.InvalidKeyUsageException(
        `${key.arn} has key usage ${key.record.keyUsage}, which this operation does not take.`,
      );
    }
  }
}

function wipe(outcome: Outcome<object> | undefined): void {
  for (const secret of outcome?.secrets ?? []) secret.fill(0);
}
