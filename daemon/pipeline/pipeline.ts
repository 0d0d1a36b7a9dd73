// The path of every request, on any transport:
// resolve keys → authorize → check state and usage → execute → audit. No reply is sent before its event is durable.
import { type OperationShape, shapeByName } from '../../proto/schema/descriptor.js';
import { type ErrorCode, errorTable, exceptions, type ServiceError } from '../../proto/errors.js';
import type { KeyLastUsageTrackingOperation, KeyState } from '../../proto/generated/messages.js';
import type { AuditLog } from '../audit/audit-log.js';
import type { Authenticator } from '../identity/authenticator.js';
import { type Caller, identityOf } from '../identity/caller.js';
import {
  checkGrantTokens,
  checkState,
  isPair,
  type Key,
  ManagedKeyNotMade,
  type StateRow,
  UnknownMaterial,
} from '../keys/index.js';
import type { Logger } from '../observability/log.js';
import { checkPermission } from './authorization.js';
import type { Admission, Ticket } from './admission/fair-queue.js';
import { type Event, makeEvent } from './audit-event.js';
import type { RequestContext } from './request-context.js';
import { toServiceError } from './error-mapping.js';
import type { NotedRequests } from './noted-requests.js';
import type { RequestEnds } from './request-ends.js';
import {
  type AnyOperation,
  HandlerContext,
  type Outcome,
  type Permission,
  RequestKeys,
  type Services,
} from './operation.js';
import type { Recorder } from '../journal/recorder.js';
import { validate } from './validation.js';

type Message = Record<string, unknown>;

/** A response to be encoded. Call `wipe` after that. */
export interface Answer {
  readonly response: object;
  wipe(): void;
}

/** A key that a request is about, and the row of the state table that it must pass. */
interface Subject {
  readonly key: Key;
  readonly states: StateRow | undefined;
  readonly permission: Permission<Message>;
}

/** Makes the keys of services (`alias/aws/<service>`). */
export interface ManagedKeyMaker {
  /** The key as it will be made, to decide whether a caller may use it. */
  prospective(service: string): Key;
  /**
   * Makes the key and alias of a service.
   * @throws HsmError, StoreError, AuditError
   */
  make(service: string): Promise<Key>;
}

/** Options of the pipeline. */
export interface PipelineOptions {
  /** By name. */
  readonly operations: ReadonlyMap<string, AnyOperation>;
  readonly services: Services;
  readonly audit: AuditLog;
  readonly recorder: Recorder;
  readonly authenticator: Authenticator;
  readonly managedKeys: ManagedKeyMaker;
  readonly admission: Admission;
  /** @throws ValidationException if a field is beyond the limits of the configuration */
  readonly checkLimits: (request: Message) => void;
  readonly noted: NotedRequests;
  readonly ends: RequestEnds;
  readonly log: Logger;
}

/** Executes requests. */
export class Pipeline {
  readonly #operations: ReadonlyMap<string, AnyOperation>;
  readonly #services: Services;
  readonly #audit: AuditLog;
  readonly #recorder: Recorder;
  readonly #authenticator: Authenticator;
  readonly #managedKeys: ManagedKeyMaker;
  readonly #admission: Admission;
  readonly #checkLimits: (request: Message) => void;
  readonly #noted: NotedRequests;
  readonly #ends: RequestEnds;
  readonly #log: Logger;

  constructor(options: PipelineOptions) {
    this.#operations = options.operations;
    this.#services = options.services;
    this.#audit = options.audit;
    this.#recorder = options.recorder;
    this.#authenticator = options.authenticator;
    this.#managedKeys = options.managedKeys;
    this.#admission = options.admission;
    this.#checkLimits = options.checkLimits;
    this.#noted = options.noted;
    this.#ends = options.ends;
    this.#log = options.log;
  }

  /**
   * Executes a request.
   * @param requestId the ID in the reply, made by the daemon or chosen by the client
   * @param refusal the error, if the transport could not decode the message: recorded like every other request
   * @param expires when the client stops waiting, on the clock of performance.now: what has not begun by then is not done
   * @throws ServiceError
   */
  async execute(
    origin: RequestContext,
    shape: OperationShape,
    request: Message,
    requestId: string,
    refusal?: ServiceError,
    expires = Infinity,
  ): Promise<Answer> {
    const began = performance.now();
    const operation = this.#operations.get(shape.name)!;
    const subjects: Subject[] = [];
    const keys = new RequestKeys();
    let outcome: Outcome<object> | undefined;
    let ticket: Ticket | undefined;
    let failed: ErrorCode | undefined;
    try {
      this.#recorder.checkAvailable();
      if (refusal) throw refusal;
      const first = this.#authenticator.current(origin.caller);
      ticket = this.#admission.enter(identityOf(first)?.id ?? first.account, operation);
      if (ticket.turn) {
        await ticket.turn;
        if (performance.now() > expires) throw tooLate();
      }
      const caller = ticket.turn ? this.#authenticator.current(first) : first;
      if (operation.service === 'keyhold') refuseTemporary(caller);
      validate(shape.request, request);
      this.#checkLimits(request);
      const grantTokens = grantTokensOf(request);
      if (grantTokens) await checkTokens(grantTokens, this.#services);
      for (const permission of operation.permissions) {
        if (permission.when?.(request, caller) === false) continue;
        const found = this.#resolve(origin, caller, permission, request);
        // The key nearly always exists already: without await, a turn of the microtask queue is saved.
        const key = found instanceof Promise ? await found : found;
        if (key) {
          keys.set(permission.role ?? 'key', key);
          subjects.push({ key, states: permission.states ?? operation.states, permission });
        }
        this.#permit(origin, caller, permission, request, key);
      }
      for (const subject of subjects) checkSubject(operation, request, subject);
      const { encrypts } = operation;
      if (encrypts && !request.dryRun)
        keys.set(encrypts, await this.#services.messageCounts.claim(keys.get(encrypts)));
      const result = operation.handle(new HandlerContext(request, keys, this.#services, caller, origin));
      outcome = result instanceof Promise ? await result : result;
      const { response, made, keyMaterialId, sourceKeyMaterialId, grantId } = outcome;
      const event = makeEvent(origin, {
        operation,
        request: this.#audited(operation, request),
        requestId,
        keys: made ? [...keys.all, made] : keys.all,
        keyMaterialId,
        sourceKeyMaterialId,
        grantId,
        response,
      });
      const { changes, undo } = outcome;
      if (changes) {
        const checked = () => {
          // Other changes may have been written first: the caller may be deleted or no longer allowed, the key may be
          // deleted or in another state. Without this check a caller could keep a request waiting to undo the change that
          // locks it out.
          this.#permitAgain(origin, caller, operation, request);
          for (const subject of subjects) checkSubject(operation, request, this.#asItIsNow(subject));
          return changes();
        };
        await this.#recorder.commit({ changes: checked, undo }, event);
        await this.#finish(outcome, operation, requestId);
      } else {
        await this.#recorder.append(event);
      }
      if (trackedOperations.has(operation.name)) this.#noteUsage(keys.all, operation.name, event);
    } catch (error) {
      wipe(outcome);
      const failure = await this.#fail(origin, operation, request, requestId, keys.all, error);
      failed = failure.code;
      throw failure;
    } finally {
      if (ticket) this.#admission.leave(ticket);
      this.#ends.ended({
        origin,
        operation: operation.name,
        keys: keys.all,
        requestId,
        error: failed,
        milliseconds: performance.now() - began,
      });
    }
    const done = outcome;
    return { response: done.response, wipe: () => wipe(done) };
  }

  /** The key of a permission. A service's key is made on its first use, if the caller may use it. */
  #resolve(
    origin: RequestContext,
    caller: Caller,
    permission: Permission<Message>,
    request: Message,
  ): Key | undefined | Promise<Key> {
    try {
      return permission.key?.(request, this.#services);
    } catch (error) {
      if (!(error instanceof ManagedKeyNotMade)) throw error;
      this.#permit(origin, caller, permission, request, this.#managedKeys.prospective(error.service));
      return this.#managedKeys.make(error.service);
    }
  }

  #permit(
    origin: RequestContext,
    caller: Caller,
    permission: Permission<Message>,
    request: Message,
    key: Key | undefined,
  ): void {
    checkPermission(permission, { request, key, services: this.#services, caller, origin });
  }

  /** Checks all permissions again, just before a change is written. @throws as the first check */
  #permitAgain(origin: RequestContext, before: Caller, operation: AnyOperation, request: Message): void {
    const caller = this.#authenticator.current(before);
    for (const permission of operation.permissions) {
      if (permission.when?.(request, caller) === false) continue;
      this.#permit(origin, caller, permission, request, permission.key?.(request, this.#services));
    }
  }

  #asItIsNow(subject: Subject): Subject {
    return { ...subject, key: this.#services.keyring.existing(subject.key.record.keyId) };
  }

  /** A request as its event shows it: with the defaults of the settings. */
  #audited(operation: AnyOperation, request: Message): Message {
    if (!operation.auditedDefaults) return request;
    return { ...operation.auditedDefaults(this.#services.limits), ...request };
  }

  #noteUsage(keys: readonly Key[], name: string, { eventId, requestId }: Event): void {
    const operation = name as KeyLastUsageTrackingOperation;
    const usage = { operation, at: Date.now() / 1000, eventId, requestId };
    for (const key of keys) this.#services.lastUsage.note(key.record.keyId, usage);
  }

  /** Does what is left after a change. The change is durable and recorded, so the request succeeds whatever happens here. */
  async #finish(outcome: Outcome<object>, operation: AnyOperation, requestId: string): Promise<void> {
    try {
      await outcome.finish?.();
    } catch (error) {
      const { name } = operation;
      this.#log.warn(
        { operation: name, requestId, err: error },
        'work after a change failed and is tried again later',
      );
    }
  }

  /** Records a failure. @returns the error for the client */
  async #fail(
    origin: RequestContext,
    operation: AnyOperation,
    request: Message,
    requestId: string,
    keys: readonly Key[],
    cause: unknown,
  ): Promise<ServiceError> {
    const error = toServiceError(cause);
    if (errorTable[error.code].httpStatus === 500)
      this.#log.error({ operation: operation.name, requestId, err: error.cause }, error.message);
    if (error.cause instanceof UnknownMaterial && this.#services.unknownMaterials.note(error.cause))
      this.#log.warn(
        { err: error.cause, requestId },
        "the metadata store is older than a ciphertext: 'keyhold recover materials'",
      );
    // Nothing was done, and such requests must not fill the disk.
    if (!this.#audit.available || error.code === 'ThrottlingException') {
      const noted = { eventName: 'RefuseRequest', errorCode: error.code, requestId } as const;
      this.#noted.note(origin, { ...noted, operation: operation.name });
      return error;
    }
    try {
      const audited = this.#audited(operation, request);
      const event = makeEvent(origin, { operation, request: audited, requestId, keys, error });
      await this.#audit.append(event.members);
      return error;
    } catch (auditError) {
      this.#log.error({ operation: operation.name, requestId, err: auditError }, error.message);
      return toServiceError(auditError);
    }
  }
}

/** The error of a request whose deadline passed while it waited for its turn. */
function tooLate(): ServiceError {
  return new exceptions.ThrottlingException(
    'The deadline of the request passed before its turn came, so nothing was done: ask for less at a time.',
  );
}

/** The operations that count as a use of their keys, as the schema names them. */
const trackedOperations: ReadonlySet<string> = new Set(
  shapeByName
    .get('GetKeyLastUsage')
    ?.response.byName.get('keyLastUsage')
    ?.message?.byName.get('operation')
    ?.numbers?.keys(),
);

/**
 * Checks state and usage of a key.
 * @throws as the state table says; InvalidKeyUsageException; the permission's own errors
 */
function checkSubject(
  { name, usage, usesPublic }: AnyOperation,
  request: Message,
  { key, states, permission }: Subject,
): void {
  // Which material the request uses matters only if the current one is missing, which is rare.
  if (states)
    checkState(key, states, key.lacksCurrent ? stateFor(key, permission, request, usesPublic) : key.state);
  permission.suits?.(request, key);
  if (usage && key.record.keyUsage !== usage) {
    throw new exceptions.InvalidKeyUsageException(
      `${key.arn} key usage is ${key.record.keyUsage} which is not valid for ${name}.`,
    );
  }
}

/** A key's state, judged by the material that an operation uses. */
function stateFor(
  key: Key,
  { material }: Permission<Message>,
  request: Message,
  usesPublic: boolean | undefined,
): KeyState {
  const used = material?.(request, key);
  if (used) return key.stateWith(used);
  // Only a key pair has a public key.
  return usesPublic && isPair(key.record.keySpec) ? key.stateWith(key.current, true) : key.state;
}

/** The grant tokens of a request, including RetireGrant's token, which names the grant. */
function grantTokensOf({ grantTokens, grantToken }: Message): readonly string[] | undefined {
  return (grantTokens ?? (grantToken === undefined ? undefined : [grantToken])) as
    readonly string[] | undefined;
}

/** @throws InvalidGrantTokenException */
function checkTokens(grantTokens: readonly string[], { stores, internalKeys }: Services): Promise<void> {
  return checkGrantTokens(stores.main, internalKeys['grant-tokens'], grantTokens);
}

function wipe(outcome: Outcome<object> | undefined): void {
  for (const secret of outcome?.secrets ?? []) secret.fill(0);
}

/**
 * Refuses the credentials of GetSessionToken: without a second factor they cannot call IAM ("GetSessionToken", AWS STS API
 * Reference).
 * @throws AccessDeniedException
 */
function refuseTemporary(caller: Caller): void {
  if (caller.type === 'AssumedRole' || caller.temporary === undefined) return;
  throw new exceptions.AccessDeniedException(
    'The temporary credentials of GetSessionToken manage no identities: sign with the access key itself.',
  );
}
