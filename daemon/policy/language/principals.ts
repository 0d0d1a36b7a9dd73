// Matches the Principal and NotPrincipal of a statement (IAM User Guide, "AWS JSON policy elements: Principal").
import { type DocumentPath, quote } from './document-path.js';
import type { RawPrincipal } from './schema.js';

/** The principal of a request. */
export type Principal =
  | { readonly type: 'Root'; readonly arn: string; readonly account: string }
  | { readonly type: 'IAMUser'; readonly arn: string; readonly account: string; readonly id: string }
  | {
      readonly type: 'AssumedRole';
      /** `arn:aws:sts::000000000000:assumed-role/Role/session` */
      readonly arn: string;
      readonly account: string;
      /** `<unique id of the role>:<session name>`, as in `aws:userid`. */
      readonly id: string;
      /** Unique id of the role. */
      readonly roleId: string;
    }
  /** `name` as in `Principal: {"Service": …}`. */
  | { readonly type: 'AWSService'; readonly arn: string; readonly name: string };

/** A user, role or role session that a document names; it is bound to the unique ID of that name. */
export interface PrincipalName {
  readonly kind: 'user' | 'role' | 'role session';
  readonly arn: string;
  readonly account: string;
  /** The user's or role's name, without its path. */
  readonly name: string;
}

/**
 * The unique IDs, by ARN, that the principals of a document had when it was put; for a role session, the role's. They are
 * stored with the document: a principal created later under an old name has another ID and inherits nothing.
 */
export type Bindings = Readonly<Record<string, string>>;

/**
 * How a statement's Principal matches. `own`: everybody, or exactly this user, role session or service; no implicit deny
 * limits what it allows. `role`: the session's role; boundary and session policies limit what it allows.
 * `account`: the account; an allow lets identity policies decide (and is one, for root).
 */
export type Match = 'own' | 'role' | 'account';

const accountPattern = /^(?:([0-9]{12})|arn:aws:iam::([0-9]{12}):root)$/;
const entityPattern =
  /^arn:aws:iam::([0-9]{12}):(user|role)\/(?:[\u0021-\u007e]+\/)?([A-Za-z0-9_+=,.@-]{1,64})$/;
const sessionPattern =
  /^arn:aws:sts::([0-9]{12}):assumed-role\/([A-Za-z0-9_+=,.@-]{1,64})\/([A-Za-z0-9_+=,.@-]{2,64})$/;
const servicePattern = /^[a-z0-9-]+(\.[a-z0-9-]+)+$/;

/** One parsed principal of a document. */
export type Named =
  | { readonly kind: 'everybody' }
  | { readonly kind: 'account'; readonly account: string }
  | (PrincipalName & { readonly session?: string })
  | { readonly kind: 'service'; readonly name: string };

/** Parses the principals of a Principal or NotPrincipal. @throws PolicyError (malformed-policy) */
export function readPrincipals(raw: RawPrincipal, at: DocumentPath): { named: Named; at: DocumentPath }[] {
  for (const type of ['Federated', 'CanonicalUser'] as const)
    if (raw[type])
      at.member(type).fail('There are no such principals here; name users, roles, sessions or the account.');
  const list = (type: 'AWS' | 'Service', read: (text: string, at: DocumentPath) => Named) =>
    (raw[type] ?? []).map((text, index, all) => {
      const place = all.length === 1 ? at.member(type) : at.member(type).item(index);
      return { named: read(text, place), at: place };
    });
  const names = [...list('AWS', readName), ...list('Service', readService)];
  if (names.length === 0) at.fail('It names nobody.');
  return names;
}

/** Parses the ARN of a user, role or role session. @returns undefined for any other ARN */
export function principalNamed(arn: string): (PrincipalName & { readonly session?: string }) | undefined {
  const entity = entityPattern.exec(arn);
  if (entity) return { kind: entity[2] as 'user' | 'role', arn, account: entity[1]!, name: entity[3]! };
  const session = sessionPattern.exec(arn);
  return session
    ? { kind: 'role session', arn, account: session[1]!, name: session[2]!, session: session[3]! }
    : undefined;
}

function readName(text: string, at: DocumentPath): Named {
  if (text === '*') return { kind: 'everybody' };
  const account = accountPattern.exec(text);
  if (account) return { kind: 'account', account: account[1] ?? account[2]! };
  const named = principalNamed(text);
  if (named) return named;
  return at.fail(
    `${quote(text)} is not a principal. It must be "*", an account ID, or the ARN of the account's root, a user, a role or a ` +
      'role session, without wildcards.',
  );
}

function readService(text: string, at: DocumentPath): Named {
  if (servicePattern.test(text)) return { kind: 'service', name: text };
  return at.fail(`${quote(text)} is not a service principal, such as "logs.amazonaws.com".`);
}

/** The compiled principals of one statement. */
export class PrincipalSet {
  readonly #everybody: boolean;
  readonly #accounts: ReadonlySet<string>;
  /** Unique IDs of users and roles, IDs of role sessions, names of services. */
  readonly #ids: ReadonlySet<string>;

  constructor(names: readonly Named[], bindings: Bindings) {
    this.#everybody = names.some(({ kind }) => kind === 'everybody');
    this.#accounts = new Set(names.flatMap((named) => (named.kind === 'account' ? [named.account] : [])));
    this.#ids = new Set(names.flatMap((named) => idOf(named, bindings) ?? []));
  }

  /** Returns how a Principal with these names matches; the strongest match if there are several. */
  match(principal: Principal): Match | undefined {
    if (this.#everybody || this.#names(principal)) return 'own';
    if (principal.type === 'AssumedRole' && this.#ids.has(principal.roleId)) return 'role';
    return principal.type !== 'AWSService' && this.#accounts.has(principal.account) ? 'account' : undefined;
  }

  /**
   * Whether a NotPrincipal with these names, in a Deny, exempts a principal. The account is checked first, then user or role,
   * then the session: each must be named (IAM User Guide, "Specifying NotPrincipal with Deny").
   */
  spares(principal: Principal): boolean {
    if (this.#everybody) return true;
    if (principal.type === 'AWSService') return this.#names(principal);
    if (!this.#accounts.has(principal.account) || !this.#names(principal)) return false;
    return principal.type !== 'AssumedRole' || this.#ids.has(principal.roleId);
  }

  #names(principal: Principal): boolean {
    if (principal.type === 'Root') return this.#accounts.has(principal.account);
    return this.#ids.has(principal.type === 'AWSService' ? principal.name : principal.id);
  }
}

function idOf(named: Named, bindings: Bindings): string | undefined {
  if (named.kind === 'service') return named.name;
  if (named.kind === 'everybody' || named.kind === 'account') return undefined;
  const id = bindings[named.arn];
  return id !== undefined && named.session !== undefined ? `${id}:${named.session}` : id;
}
