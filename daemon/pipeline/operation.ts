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
import type { RegionServices } from '../regions/services.js';
import type { AuditReader } from '../audit/query/newest.js';
import type { Replication } from '../regions/replication.js';
import type { RecordChange, Records } from '../store/records/records.js';
import type { RequestContext } from './request-context.js';

/** The request of an operation. */
export type RequestOf<Name extends OperationName> = Operations[Name]['request'];
/** The response of an operation. */
export type ResponseOf<Name extends OperationName> = Operations[Name]['response'];

/** The services that handlers use: those of the lower layers, and settings. */
export interface Services extends KeyServices, IdentityServices, BackupServices, RegionServices {
  readonly records: Records;
  /** Seals secrets under a key in the HSM. */
  readonly secrets: Secrets;
  /** Reads the audit log. */
  readonly auditReader: AuditReader;
  /** Archives files of the audit log. @param before epoch seconds @throws ArchiveError, AuditError */
  readonly auditArchive: (directory: string, before: number) => Promise<readonly ArchivedFile[]>;
  /** The status of the daemon. */
  readonly status: () => ResponseOf<'GetStatus'>;
  /** Asks other Regions about multi-Region keys. */
  readonly replication: Replication;
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

/** The roles under which handlers get the keys of a request. */
export type KeyRole = 'key' | 'source' | 'destination' | 'target';

/** The keys of one request by their roles, in the order of the permissions that name them. */
export class RequestKeys {
  readonly #roles: KeyRole[] = [];
  readonly #keys: Key[] = [];

  /** In the order in which they were added. */
  get all(): readonly Key[] {
    return this.#keys;
  }

  /** The key in a role. @throws Error if no permission of the operation has a key in that role, or the request names none */
  get(role: KeyRole): Key {
    const key = this.#keys[this.#roles.indexOf(role)];
    if (!key) throw new Error(`internal error: this request has no key in the role '${role}'`);
    return key;
  }

  /** Adds a key, or replaces the one in that role. */
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
    /** In its state at the time of the request. */
    readonly caller: Caller,
    readonly origin: RequestContext,
  ) {}

  /** The key of operations with one key. */
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

  /** The same context with another request. */
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
  /** In its state at the time of the request. */
  readonly caller: Caller;
  readonly origin: Pick<RequestContext, 'region' | 'sourceAddress' | 'userAgent' | 'plainHttp'>;
}

/**
 * Returns the values of a condition key, at the time when a policy asks for them; undefined if there are none.
 * @param rest what follows a name that is a prefix, in lower case; else empty
 */
export type ConditionKey<Request> = (
  asked: ConditionContext<Request>,
  rest: string,
) => string | readonly string[] | undefined;

/** Condition keys by name, as policies write it. A name that ends with `:` or `/` is a prefix of many. */
export type ConditionKeys<Request> = Readonly<Record<string, ConditionKey<Request>>>;

/** A (permission, resource) pair that the caller needs. */
export interface Permission<Request> {
  /** `kms:Encrypt` */
  readonly action: string;
  /** The key, whose policy takes part in the decision; undefined if the action is not on a key. */
  readonly key?: KeyResolver<Request>;
  /** The name under which the handler gets the key. Default: `key`. */
  readonly role?: KeyRole;
  /** Row of the state table for this key, if it is not the operation's. */
  readonly states?: StateRow;
  /** The material that is used, if not the key's current one. Called only if the current one is missing. */
  readonly material?: (request: Request, key: Key) => Material | undefined;
  /** ARN of a resource that is not a key, such as an alias. */
  readonly resource?: (request: Request, services: Services, caller: Caller) => string;
  /** The role that is the resource, and whose trust policy decides; `undefined` if there is no such role. */
  readonly trust?: (request: Request, services: Services) => TrustedRole | undefined;
  /** The encryption context that is used with the key, for grants and condition keys. */
  readonly encryptionContext?: (request: Request) => StringMap | undefined;
  /** Condition keys besides those that every key and every request has. */
  readonly conditionKeys?: ConditionKeys<Request>;
  /**
   * Finds a grant that gives the permission, if operation and encryption context do not suffice to find it.
   * @param granteeId unique id of a user or role, id of a role session, or for root the account
   */
  readonly grant?: (asked: ConditionContext<Request>, granteeId: string) => Grant | undefined;
  /** Whether a request needs this permission. Default: every request does. */
  readonly when?: (request: Request, caller: Caller) => boolean;
  /**
   * Checks further requirements on the key, after its state and before its usage.
   * @throws ServiceError
   */
  readonly suits?: (request: Request, key: Key) => void;
  /** The error for a denied caller, if the usual message would reveal too much. */
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
  /**
   * Work to do after the changes are durable and before the reply. An intent must record it, in case it fails or the daemon
   * crashes: the request succeeds without it.
   */
  readonly finish?: () => Promise<void>;
  /** A new key, for `resources` of the audit event. */
  readonly made?: Key;
  /** For `additionalEventData` of the audit event. */
  readonly keyMaterialId?: string | undefined;
  /** As keyMaterialId, for the material that decrypted. */
  readonly sourceKeyMaterialId?: string | undefined;
  /** As keyMaterialId, for the ID of a retired or revoked grant. */
  readonly grantId?: string | undefined;
  /** Secrets, wiped when the reply has been encoded. */
  readonly secrets?: readonly Buffer[];
}

/** An operation: everything that transports, documentation and tests need to know about it. */
export interface Operation<Name extends string, Request, Response> {
  readonly name: Name;
  /** Operations of `keyhold` are only in the native protocol. */
  readonly service: Service;
  readonly readOnly: boolean;
  readonly permissions: readonly Permission<Request>[];
  /** Row of the state table that every key of the permissions must pass. */
  readonly states?: StateRow;
  /** Usage that every key of the permissions must have. */
  readonly usage?: KeyUsageType;
  /** Whether it uses only the public key of a key pair. */
  readonly usesPublic?: boolean;
  /** The role of the key that encrypts a message. The message is counted before the handler runs. */
  readonly encrypts?: KeyRole;
  /** Fields of the request that the audit event shows; never a plaintext or ciphertext. */
  readonly audited: readonly (keyof Request & string)[];
  /** What the audit event shows for omitted fields where the settings decide. */
  auditedDefaults?(limits: Services['limits']): Partial<Request>;
  /** What the audit event shows of the response; never for cryptographic operations, and never a secret. */
  auditedResponse?(response: Response): object;
  /** @throws ServiceError, HsmError */
  handle(context: HandlerContext<Request>): Outcome<Response> | Promise<Outcome<Response>>;
}

/** An operation with messages of any type, as table and pipeline handle it. */
export type AnyOperation = Operation<OperationName, Record<string, unknown>, object>;

/** Types an entry by its operation's messages. Codec and validation ensure that a message has the type. */
export function operation<Name extends OperationName>(
  entry: Operation<Name, RequestOf<Name>, ResponseOf<Name>>,
): AnyOperation {
  return entry;
}
