// The types of the operation table and of handlers.
import type { ServiceError } from '../../proto/errors.js';
import type { OperationName, Service } from '../../proto/schema/descriptor.js';
import type { KeyUsageType, Operations, StringMap } from '../../proto/generated/messages.js';
import type { Grant, Key, KeyServices, Material, StateRow } from '../keys/index.js';
import type { ArchivedFile } from '../audit/archive/archived-files.js';
import type { BackupServices } from '../backup/services.js';
import type { Caller } from '../identity/caller.js';
import type { IdentityServices } from '../identity/services.js';
import type { Secrets } from '../hsm/secrets.js';
import type { TrustedRole } from '../policy/engine/caller-policies.js';
import type { AuditReader } from '../audit/query/newest.js';
import type { RecordChange, Records } from '../store/records/records.js';
import type { RequestContext } from './request-context.js';

/** The request of an operation. */
export type RequestOf<Name extends OperationName> = Operations[Name]['request'];
/** The response of an operation. */
export type ResponseOf<Name extends OperationName> = Operations[Name]['response'];

/** The services that handlers use: those of the folders below, and settings. */
export interface Services extends KeyServices, IdentityServices, BackupServices {
  readonly records: Records;
  /** Seals secrets under a key in the HSM. */
  readonly secrets: Secrets;
  /** Reads the audit log. */
  readonly auditReader: AuditReader;
  /** How the daemon is. */
  /** Archives files of the audit log. @param before seconds since 1970 @throws ArchiveError, AuditError */
  readonly auditArchive: (directory: string, before: number) => Promise<readonly ArchivedFile[]>;
  readonly status: () => ResponseOf<'GetStatus'>;
  /** Whether SeedKey is allowed. */
  readonly allowSeed: boolean;
  readonly limits: {
    readonly keys: number;
    readonly aliasesPerKey: number;
    readonly tagsPerKey: number;
    readonly onDemandRotationsPerKey: number;
    readonly longestPendingWindowInDays: number;
    readonly shortestRotationPeriodInDays: number;
    readonly longestRotationPeriodInDays: number;
    readonly wrappingKeysPerKey: number;
    readonly grantsPerKey: number;
    readonly users: number;
    readonly roles: number;
    readonly policies: number;
    readonly policiesPerIdentity: number;
    readonly customKeyStores: number;
  };
}

/** Finds the key that a permission is about. `undefined`: the operation runs without that key. */
export type KeyResolver<Request> = (request: Request, services: Services) => Key | undefined;

/** The names by which handlers know the keys of a request. */
export type KeyRole = 'key' | 'source' | 'destination' | 'target';

/** The keys of one request by their roles, in the order of the permissions that name them. */
export class RequestKeys {
  readonly #roles: KeyRole[] = [];
  readonly #keys: Key[] = [];

  /** In the order in which they were added. */
  get all(): readonly Key[] {
    return this.#keys;
  }

  /** @throws Error where no permission of the operation has a key of that role, or the request names none */
  get(role: KeyRole): Key {
    const key = this.#keys[this.#roles.indexOf(role)];
    if (!key) throw new Error(`internal error: this request has no key in the role '${role}'`);
    return key;
  }

  /** Adds a key, or puts another one in its place. */
  set(role: KeyRole, key: Key): void {
    const at = this.#roles.indexOf(role);
    if (at >= 0) {
      this.#keys[at] = key;
      return;
    }
    this.#roles.push(role);
    this.#keys.push(key);
  }
}

/** The argument of a handler. Its keys have the roles that the operation's permissions name. */
export class HandlerContext<Request> {
  constructor(
    readonly request: Request,
    private readonly keys: RequestKeys,
    readonly services: Services,
    /** As it is now. */
    readonly caller: Caller,
    readonly origin: RequestContext,
  ) {}

  get key(): Key {
    return this.keys.get('key');
  }

  /** The key that decrypts, of operations with two keys. */
  get source(): Key {
    return this.keys.get('source');
  }

  /** The key that encrypts, of operations with two keys. */
  get destination(): Key {
    return this.keys.get('destination');
  }

  /** The key that an alias refers to from now on. */
  get target(): Key {
    return this.keys.get('target');
  }

  /** The same with another request. */
  with(request: Request): HandlerContext<Request> {
    return new HandlerContext(request, this.keys, this.services, this.caller, this.origin);
  }
}

/** The input of condition keys: a request and its caller. */
export interface ConditionContext<Request> {
  readonly request: Request;
  /** The permission's key. */
  readonly key: Key | undefined;
  readonly services: Services;
  /** As it is now. */
  readonly caller: Caller;
  readonly origin: Pick<RequestContext, 'region' | 'sourceAddress' | 'userAgent' | 'plainHttp'>;
}

/**
 * Gives the values of a condition key, as they are when a policy asks for them; undefined where there are none.
 * @param rest of a name that stands for many: what follows it, in lower case
 */
export type ConditionKey<Request> = (
  asked: ConditionContext<Request>,
  rest: string,
) => string | readonly string[] | undefined;

/** By name, as policies write it. One that ends with `:` or `/` stands for all that begin with it. */
export type ConditionKeys<Request> = Readonly<Record<string, ConditionKey<Request>>>;

/** A (permission, resource) pair that the caller needs. */
export interface Permission<Request> {
  /** `kms:Encrypt` */
  readonly action: string;
  /** The key; its policy takes part in the decision. Without it the operation is decided without a key. */
  readonly key?: KeyResolver<Request>;
  /** The name under which the handler gets the key. Default: `key`. */
  readonly role?: KeyRole;
  /** Row of the state table for this key, where it is not the operation's. */
  readonly states?: StateRow;
  /** Which material of the key is used, where it is not the current one: asked for only where that one is missing. */
  readonly material?: (request: Request, key: Key) => Material | undefined;
  /** ARN of a resource that is no key, such as an alias. */
  readonly resource?: (request: Request, services: Services, caller: Caller) => string;
  /** The role that the resource is, whose trust policy decides; `undefined` where there is no such role. */
  readonly trust?: (request: Request, services: Services) => TrustedRole | undefined;
  /** The encryption context that belongs to the key: grants and condition keys ask for it. */
  readonly encryptionContext?: (request: Request) => StringMap | undefined;
  /** Condition keys that it supplies, beside those that every key and every request has. */
  readonly conditionKeys?: ConditionKeys<Request>;
  /**
   * Finds a grant that gives the permission, where operation and encryption context do not say it all.
   * @param granteeId unique id of a user or role, id of a role session, or for root the account
   */
  readonly grant?: (asked: ConditionContext<Request>, granteeId: string) => Grant | undefined;
  /** Whether a request needs this permission, where some do not. */
  readonly when?: (request: Request, caller: Caller) => boolean;
  /**
   * What the key must be beside its state and before its usage. It throws where the key is not.
   * @throws ServiceError
   */
  readonly suits?: (request: Request, key: Key) => void;
  /** What a denied caller is told instead, where the usual message would tell too much. */
  readonly denied?: (request: Request) => ServiceError | undefined;
}

/** The result of a handler. */
export interface Outcome<Response> {
  readonly response: Response;
  /**
   * Returns the changes of the metadata store, which are written together with the audit event. Called after all earlier
   * commits. If it throws, nothing is written.
   */
  readonly changes?: () => readonly RecordChange[];
  /** Undoes what was done outside the store, if the changes were not written. */
  readonly undo?: () => Promise<void>;
  /** What is left to do before the reply, once the changes count; what a crash leaves of it, an intent must tell. */
  readonly finish?: () => Promise<void>;
  /** A key that there was not before, for `resources` of the audit event. */
  readonly made?: Key;
  /** For `additionalEventData` of the audit event. */
  readonly keyMaterialId?: string | undefined;
  /** As keyMaterialId, where another material decrypted. */
  readonly sourceKeyMaterialId?: string | undefined;
  /** As keyMaterialId, of a grant that was retired or revoked. */
  readonly grantId?: string | undefined;
  /** Secrets, wiped when the reply has been encoded. */
  readonly secrets?: readonly Buffer[];
}

/** An operation: everything that transports, documentation and tests need to know about it. */
export interface Operation<Name extends string, Request, Response> {
  readonly name: Name;
  /** Of `sts` and `keyhold` the operations are native only. */
  readonly service: Service;
  readonly readOnly: boolean;
  readonly permissions: readonly Permission<Request>[];
  /** Row of the state table that every key of the permissions must pass. */
  readonly states?: StateRow;
  /** Usage that every key of the permissions must have. */
  readonly usage?: KeyUsageType;
  /** Whether the public key of a pair is all that it uses. */
  readonly usesPublic?: boolean;
  /** The role of the key under which it encrypts one message: counted before the handler gets that key. */
  readonly encrypts?: KeyRole;
  /** Fields of the request that the audit event shows; never a plaintext or ciphertext. */
  readonly audited: readonly (keyof Request & string)[];
  /** What the audit event shows of the response; never for cryptographic operations, and never a secret. */
  auditedResponse?(response: Response): object;
  /** @throws ServiceError, HsmError */
  handle(context: HandlerContext<Request>): Outcome<Response> | Promise<Outcome<Response>>;
}

/** An operation as table and pipeline handle it, whatever its messages are. */
export type AnyOperation = Operation<OperationName, Record<string, unknown>, object>;

/** Types an entry by its operation's messages. The codec and the validation make a message what the type says. */
export function operation<Name extends OperationName>(
  entry: Operation<Name, RequestOf<Name>, ResponseOf<Name>>,
): AnyOperation {
  return entry;
}
