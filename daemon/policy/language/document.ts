// Compiled policies. A document is compiled when it is put or loaded, and from then on only evaluated.
import { PolicyError } from '../errors.js';
import { kinds, type PolicyKind, readPolicy } from './kinds.js';
import { quote } from './document-path.js';
import { type Bindings, type PrincipalName, readPrincipals } from './principals.js';
import { Statement } from './statement.js';

/** The statements of a policy that are about one action. */
export interface Applicable {
  readonly allows: readonly Statement[];
  readonly denies: readonly Statement[];
  /** Allows of every request about the action, where there is no deny: nothing but the principal decides. */
  readonly unconditional: readonly Statement[];
}

/** Most actions with remembered statements: more than there are operations, and callers cannot add any. */
const rememberedActions = 256;

/** A compiled policy. Immutable; the same one may belong to many keys or principals. */
export class Policy {
  readonly #byAction = new Map<string, Applicable>();

  /** @param name for explanations: `key policy`, or the ARN of a managed policy */
  constructor(
    readonly kind: PolicyKind,
    readonly name: string,
    readonly statements: readonly Statement[],
  ) {}

  /** As `AccessDeniedException` calls a policy of this kind. */
  get title(): string {
    return kinds[this.kind].title;
  }

  /** @param action `kms:Encrypt`, in any case */
  about(action: string): Applicable {
    let found = this.#byAction.get(action);
    if (found === undefined) {
      const statements = this.statements.filter((statement) => statement.isAbout(action.toLowerCase()));
      const allows = statements.filter(({ effect }) => effect === 'Allow');
      const denies = statements.filter(({ effect }) => effect === 'Deny');
      const unconditional =
        denies.length === 0 ? allows.filter(({ isUnconditional }) => isUnconditional) : [];
      found = { allows, denies, unconditional };
      if (this.#byAction.size < rememberedActions) this.#byAction.set(action, found);
    }
    return found;
  }
}

/**
 * Compiles the policy of a key.
 * @param text JSON of at most 32,768 bytes
 * @param bindings what `bindKeyPolicy` gave when the policy was put; a name that is not in it means nobody
 * @throws PolicyError (malformed-policy) saying where in the document and what is wrong
 * @throws PolicyError (limit-exceeded) where the document is too long
 */
export function compileKeyPolicy(text: string, bindings: Bindings): Policy {
  return compile('key', 'key policy', text, bindings);
}

/**
 * Compiles a policy of users and roles; also a permissions boundary or a session policy.
 * @param text JSON of at most 6,144 characters without white space
 * @param name of the policy, for explanations
 * @throws PolicyError (malformed-policy, limit-exceeded)
 */
export function compileIdentityPolicy(text: string, name: string): Policy {
  return compile('identity', name, text, {});
}

/**
 * Compiles the trust policy of a role.
 * @param text JSON of at most 2,048 characters without white space
 * @param bindings what `bindTrustPolicy` gave when the policy was put
 * @throws PolicyError (malformed-policy, limit-exceeded)
 */
export function compileTrustPolicy(text: string, bindings: Bindings): Policy {
  return compile('trust', 'trust policy', text, bindings);
}

function compile(kind: PolicyKind, name: string, text: string, bindings: Bindings): Policy {
  const { version, statements } = readPolicy(kind, text);
  const options = {
    variables: version === '2012-10-17',
    bindings,
    // KMS takes a key policy statement without Action or Resource, and it has no effect (KMS Developer Guide, "Elements in a key
    // policy"). A trust policy is about its role.
    withoutResource: kind === 'trust' ? 'every' : 'none',
    actionIsOptional: kind === 'key',
  } as const;
  return new Policy(
    kind,
    name,
    statements.map(({ raw, at }) => new Statement(raw, at, options)),
  );
}

/**
 * Condition values with wildcards or variables in one document: each may be matched with each value of a request. Longer ones
 * count more than once, as `Wildcards` has it. All of one document stay below what one decision may take (`work.ts`).
 */
const mostCost = 250;

/**
 * Bounds the cost of a decision by a policy. Called when a policy is put, not when it is loaded: an accepted policy stays
 * valid.
 * @throws PolicyError (limit-exceeded)
 */
export function checkCost({ statements }: Policy): void {
  const conditions = statements.flatMap((statement) => statement.conditions);
  const all = conditions.reduce((sum, { cost }) => sum + cost, 0);
  if (all <= mostCost) return;
  throw new PolicyError(
    'limit-exceeded',
    `The values with wildcards or variables in the conditions of the policy document count as ${all}; ${mostCost} are allowed. ` +
      'Those with more than 32 characters between two "*" count more than once.',
  );
}

/** The unique id of a user, of a role, or of the role of a session; undefined where there is none of that name. */
export type Resolve = (name: PrincipalName) => string | undefined;

/**
 * Resolves the principals of a key policy when it is put.
 * @param account the account's id
 * @returns bindings for `compileKeyPolicy`, to be stored with the document
 * @throws PolicyError (malformed-policy) also for principals that do not exist, as KMS does; PolicyError (limit-exceeded)
 */
export function bindKeyPolicy(text: string, account: string, resolve: Resolve): Bindings {
  return bind('key', text, account, resolve);
}

/** As `bindKeyPolicy`, for the trust policy of a role. */
export function bindTrustPolicy(text: string, account: string, resolve: Resolve): Bindings {
  return bind('trust', text, account, resolve);
}

/** KMS's sentence about an unknown principal, by which clients recognize it. The details follow it. */
const invalidPrincipals = 'Policy contains a statement with one or more invalid principals.';

function bind(kind: PolicyKind, text: string, account: string, resolve: Resolve): Bindings {
  const bindings: Record<string, string> = {};
  for (const { raw, at: statement } of readPolicy(kind, text).statements) {
    for (const element of ['Principal', 'NotPrincipal'] as const) {
      if (!raw[element]) continue;
      const place = statement.member(element);
      const at = kind === 'key' ? place.prefaced(invalidPrincipals) : place;
      for (const { named, at: name } of readPrincipals(raw[element], at)) {
        if (named.kind === 'everybody' || named.kind === 'service') continue;
        const refuse = (reason: string) => {
          if (kind === 'key') throw new PolicyError('malformed-policy', invalidPrincipals);
          return name.fail(reason);
        };
        if (named.account !== account) refuse(`There is no account ${named.account} here, only ${account}.`);
        if (named.kind === 'account') continue;
        bindings[named.arn] =
          resolve(named) ?? refuse(`There is no ${named.kind} ${quote(named.arn)} in this account.`);
      }
    }
  }
  return bindings;
}
