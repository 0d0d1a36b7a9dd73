// A compiled statement of a policy.
import { ArnPattern } from './arn-patterns.js';
import { compileConditions, type Condition } from './conditions.js';
import { type Lookup, Pattern } from './patterns.js';
import { type DocumentPath, quote } from './document-path.js';
import { type Bindings, type Match, type Principal, PrincipalSet, readPrincipals } from './principals.js';
import type { RawPrincipal, RawStatement } from './schema.js';

/** How a statement is compiled. */
export interface StatementOptions {
  readonly variables: boolean;
  readonly bindings: Bindings;
  /** The resources of a statement without Resource. */
  readonly withoutResource: 'every' | 'none';
  /** Whether a statement without Action is accepted, without effect. */
  readonly actionIsOptional?: boolean;
}

const actionPattern = /^(?:\*|[A-Za-z0-9-]+:[A-Za-z0-9*?]+)$/;

const noLookup: Lookup = () => undefined;

/** A compiled statement. */
export class Statement {
  readonly effect: 'Allow' | 'Deny';
  readonly sid: string | undefined;
  /** Path in the document: `Statement[2]`. */
  readonly path: string;
  readonly conditions: readonly Condition[];
  /** Its resources and principals as written, for explanations. */
  readonly written: Pick<RawStatement, 'Resource' | 'NotResource' | 'Principal'>;
  readonly #actions: readonly Pattern[];
  readonly #isActionExcluded: boolean;
  readonly #resources: readonly ArnPattern[] | 'every' | 'none';
  readonly #isResourceExcluded: boolean;
  readonly #principals: PrincipalSet | undefined;
  readonly #spared: PrincipalSet | undefined;

  /** @throws PolicyError (malformed-policy) */
  constructor(
    raw: RawStatement,
    at: DocumentPath,
    { variables, bindings, withoutResource, actionIsOptional = false }: StatementOptions,
  ) {
    this.effect = raw.Effect;
    this.sid = raw.Sid || undefined;
    this.path = at.path;
    this.written = { Resource: raw.Resource, NotResource: raw.NotResource, Principal: raw.Principal };
    this.#isActionExcluded = raw.NotAction !== undefined;
    this.#actions = readActions(raw, actionIsOptional, at);
    this.#isResourceExcluded = raw.NotResource !== undefined;
    const resources = readResources(raw, variables, at);
    this.#resources = raw.Resource?.includes('*') ? 'every' : (resources ?? withoutResource);
    this.conditions = compileConditions(
      raw.Condition ?? {},
      { effect: raw.Effect, variables },
      at.member('Condition'),
    );
    const set = (given: RawPrincipal | undefined, name: string) =>
      given &&
      new PrincipalSet(
        readPrincipals(given, at.member(name)).map(({ named }) => named),
        bindings,
      );
    this.#principals = set(raw.Principal, 'Principal');
    this.#spared = set(raw.NotPrincipal, 'NotPrincipal');
  }

  /** Whether the statement matches an action. @param action in lower case: actions are not case-sensitive */
  isAbout(action: string): boolean {
    return this.#actions.some((pattern) => pattern.matches(action, noLookup)) !== this.#isActionExcluded;
  }

  /** Returns how an allow in a policy with principals matches. */
  match(principal: Principal): Match | undefined {
    return this.#principals?.match(principal);
  }

  /**
   * Whether a deny matches a principal. Without principals it matches everyone who has the policy.
   * @param hasBoundary a NotPrincipal exempts nobody who has a permissions boundary (IAM User Guide, "Specifying
   *   NotPrincipal with Deny")
   */
  means(principal: Principal, hasBoundary: boolean): boolean {
    if (this.#spared) return hasBoundary || !this.#spared.spares(principal);
    return this.#principals === undefined || this.#principals.match(principal) !== undefined;
  }

  /** Whether it applies to every request for its actions. */
  get isUnconditional(): boolean {
    return this.#resources === 'every' && this.conditions.length === 0;
  }

  /** Whether resource and conditions match a request. */
  applies(resource: string, lookup: Lookup): boolean {
    return this.covers(resource, lookup) && this.conditions.every(({ isTrue }) => isTrue(lookup));
  }

  /** Whether its resources match the one of a request. */
  covers(resource: string, lookup: Lookup): boolean {
    if (typeof this.#resources === 'string') return this.#resources === 'every';
    let covered: boolean | undefined = false;
    for (const pattern of this.#resources) {
      const matched = pattern.matches(resource, lookup);
      if (matched) return !this.#isResourceExcluded;
      if (matched === undefined) covered = undefined;
    }
    // A variable without a value cannot exclude reliably, so the statement must not allow.
    if (covered === undefined) return this.#isResourceExcluded && this.effect === 'Deny';
    return this.#isResourceExcluded;
  }
}

/** Parses the actions. Without any, as KMS accepts in a key policy, the statement matches nothing. */
function readActions(raw: RawStatement, isOptional: boolean, at: DocumentPath): Pattern[] {
  const given = oneOf(raw, 'Action', 'NotAction', at);
  if (!given && isOptional) return [];
  const [name, actions] = given ?? at.fail('It has no Action.');
  const place = at.member(name);
  if (actions.length === 0) place.fail('It must name at least one action.');
  return actions.map((action, index) => {
    const item = actions.length === 1 ? place : place.item(index);
    if (!actionPattern.test(action))
      item.fail(
        `${quote(action)} is not an action. It must be "*" or begin with a service, as in "kms:Encrypt" or "kms:Get*".`,
      );
    return Pattern.parse(action, { wildcards: true, variables: false, ignoreCase: true }, item);
  });
}

function readResources(raw: RawStatement, variables: boolean, at: DocumentPath): ArnPattern[] | undefined {
  const [name, resources] = oneOf(raw, 'Resource', 'NotResource', at) ?? [];
  if (name === undefined || resources === undefined) return undefined;
  const place = at.member(name);
  if (resources.length === 0) place.fail('It must name at least one resource.');
  return resources.map((resource, index) => {
    const item = resources.length === 1 ? place : place.item(index);
    if (resource !== '*' && !resource.startsWith('arn:'))
      item.fail(`${quote(resource)} must be an ARN or "*".`);
    if (variables && resource.includes('${') && !/^(?:[^:$]*:){5}/.test(resource))
      item.fail(
        `${quote(resource)} has a variable before the fifth colon. Variables are allowed only after it.`,
      );
    return ArnPattern.parse(resource, variables, item);
  });
}

/** Returns the one of two mutually exclusive elements that is present. */
function oneOf<Name extends 'Action' | 'NotAction' | 'Resource' | 'NotResource'>(
  raw: RawStatement,
  name: Name,
  opposite: Name,
  at: DocumentPath,
): [Name, readonly string[]] | undefined {
  if (raw[name] && raw[opposite]) at.fail(`It has both ${name} and ${opposite}.`);
  if (raw[name]) return [name, raw[name]];
  return raw[opposite] && [opposite, raw[opposite]];
}
