// Compiled policies. A document is compiled when it is put or loaded, and after that only evaluated.
import { PolicyError } from '../errors.js';
import { kinds, type PolicyKind, readPolicy } from './kinds.js';
import { quote } from './document-path.js';
import { type Bindings, type PrincipalName, readPrincipals } from './principals.js';
import { Statement } from './statement.js';

/** The statements of a policy that match an action. */
export interface Applicable {
  readonly allows: readonly Statement[];
  readonly denies: readonly Statement[];
  /** If there is no deny: the allows that depend only on the principal. */
  readonly unconditional: readonly Statement[];
}

/** Maximum number of cached actions: more than there are operations, and callers cannot add any. */
const rememberedActions = 256;

/** A compiled policy. It is immutable, and many keys or principals may share it. */
export class Policy {
  readonly #byAction = new Map<string, Applicable>();

  /** @param name for explanations: `key policy`, or the ARN of a managed policy */
  constructor(
    readonly kind: PolicyKind,
    readonly name: string,
    readonly statements: readonly Statement[],
  ) {}

  /** The name of this kind of policy in `AccessDeniedException`. */
  get title(): string {
    return kinds[this.kind].title;
  }

  /** Returns the statements that match an action. @param action `kms:Encrypt`, in any case */
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
 * @param bindings the result of {@link bindKeyPolicy} when the policy was put; names without a binding match nobody
 * @throws PolicyError (malformed-policy) that names the path and the fault; (limit-exceeded) if the document is too long
 */
export function compileKeyPolicy(text: string, bindings: Bindings): Policy {
  return compile('key', 'key policy', text, bindings);
}

/**
 * Compiles an identity policy, a permissions boundary or a session policy.
 * @param text JSON of at most 6,144 characters, not counting white space
 * @param name the policy's name in explanations
 * @throws PolicyError (malformed-policy, limit-exceeded)
 */
export function compileIdentityPolicy(text: string, name: string): Policy {
  return compile('identity', name, text, {});
}

/**
 * Compiles the trust policy of a role.
 * @param text JSON of at most 2,048 characters, not counting white space
 * @param bindings the result of {@link bindTrustPolicy} when the policy was put
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
    // KMS accepts a key policy statement without Action or Resource, which has no effect (KMS Developer Guide, "Elements in
    // a key policy"). The resource of a trust policy is its role.
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
 * Maximum cost of the condition values with wildcards or variables in a document, each of which may be matched with each
 * value of a request. Long values count more than once, see {@link Wildcards.cost}. The limit keeps a document below the
 * limit of a decision (`work.ts`).
 */
const maxCost = 250;

/**
 * Limits the cost of evaluating a policy. Called when a policy is put, not when it is loaded: an accepted policy stays valid.
 * @throws PolicyError (limit-exceeded)
 */
export function checkCost({ statements }: Policy): void {
  const conditions = statements.flatMap((statement) => statement.conditions);
  const all = conditions.reduce((sum, { cost }) => sum + cost, 0);
  if (all <= maxCost) return;
  throw new PolicyError(
    'limit-exceeded',
    `The values with wildcards or variables in the conditions of the policy document count as ${all}; ${maxCost} are allowed. ` +
      'Those with more than 32 characters between two "*" count more than once.',
  );
}

/** Finds the unique ID of a user, a role, or the role of a session; undefined if there is none with that name. */
export type Resolve = (name: PrincipalName) => string | undefined;

/**
 * Resolves the principals of a key policy when it is put.
 * @param account the account ID
 * @returns bindings for {@link compileKeyPolicy}, to be stored with the document
 * @throws PolicyError (malformed-policy) also for principals that do not exist, as KMS does; PolicyError (limit-exceeded)
 */
export function bindKeyPolicy(text: string, account: string, resolve: Resolve): Bindings {
  return bind('key', text, account, resolve);
}

/** Like {@link bindKeyPolicy}, for the trust policy of a role. */
export function bindTrustPolicy(text: string, account: string, resolve: Resolve): Bindings {
  return bind('trust', text, account, resolve);
}

/** KMS's sentence about an unknown principal, by which clients recognise the error. Details follow it. */
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
