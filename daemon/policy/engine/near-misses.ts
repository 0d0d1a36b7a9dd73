// Finds the statements that nearly decided a request otherwise, and says what they lack. Only for explanations.
import { PolicyError } from '../errors.js';
import type { Policy } from '../language/document.js';
import type { Condition } from '../language/conditions.js';
import type { Statement } from '../language/statement.js';
import { bounded } from '../language/work.js';
import { type Decision, type Found, missingLimit, type Policies, type PolicyRequest } from './decide.js';
import { place } from './messages.js';
import { presence, requirementOf, valueList } from './requirements.js';

/** A part of a statement that matters, and what the request has. */
export interface Difference {
  readonly element: 'Condition' | 'Resource' | 'Principal';
  /** The condition, if the element is one. */
  readonly condition?: Condition;
  /** What the request has. */
  readonly present: readonly string[];
  /** What the statement names, as written. */
  readonly written: readonly string[];
  /** A clause: `kms:KeySpec is "b" and must be "a"`. */
  readonly text: string;
}

/** A statement that would decide otherwise if little changed. */
export interface NearMiss extends Found {
  /** Whether the statement applies to the request as it is: a deny. */
  readonly applies: boolean;
  readonly differences: readonly Difference[];
  /** A sentence. */
  readonly explanation: string;
}

/** Maximum number of near misses. */
const maxFound = 3;
/** Maximum number of conditions that a near miss lacks. Of resource and principal it may lack one alone. */
const maxConditions = 3;

const order = { Condition: 0, Resource: 1, Principal: 2 } as const;

/**
 * Finds the statements that nearly decided a request otherwise, the closest first.
 * - The request is not allowed: an allow that would suffice with other values of at most three conditions, or with another
 *   resource or principal.
 * - A deny applies: the denies that apply, and the conditions that make them apply.
 * - The request is allowed: a deny that would apply with another value of one condition.
 * @returns at most three; none if the search would take more steps than a decision may
 */
export function nearMisses(
  request: PolicyRequest,
  policies: Policies<unknown>,
  decision: Decision,
): readonly NearMiss[] {
  try {
    return bounded(() => {
      if (decision.allowed) return distantDenies(request, policies);
      if (!('missing' in decision)) return applyingDenies(request, policies);
      return nearAllows(request, policies, decision);
    });
  } catch (error) {
    if (error instanceof PolicyError) return [];
    throw error;
  }
}

type Missing = Decision & { readonly allowed: false; readonly missing: unknown };

function nearAllows(request: PolicyRequest, policies: Policies<unknown>, decision: Missing): NearMiss[] {
  const { resource, identity, boundary, session = [] } = policies;
  const { missing, found } = decision;
  const limit = missingLimit(request, policies);
  const near: NearMiss[] = [];
  const look = (policy: Policy, isEnough: (statement: Statement) => boolean) => {
    for (const statement of policy.about(request.action).allows) {
      if (!isEnough(statement)) continue;
      const differences = lacking(request, statement, policy.kind === 'identity');
      if (differences) near.push({ policy, statement, applies: false, differences, explanation: '' });
    }
  };
  if (resource)
    look(resource, (statement) => {
      const match = statement.match(request.principal);
      if (match === undefined || match === 'own') return true;
      if (limit) return false;
      // A statement for the account only lets identity policies decide: one of them must allow it.
      return match === 'role' || (found !== undefined && missing !== 'identity-based policy');
    });
  if (missing === 'identity-based policy' && !limit) for (const policy of identity) look(policy, () => true);
  if (missing === 'permissions boundary' && boundary)
    // With a boundary that allows it, the session policies must allow it too.
    if (missingLimit(request, { ...policies, boundary: undefined }) === undefined) look(boundary, () => true);
  if (missing === 'session policy') for (const policy of session) look(policy, () => true);
  return closest(near).map((each) => ({ ...each, explanation: wouldAllow(request, each) }));
}

/** The differences of a statement that is close to a request. @returns undefined if it is not close */
function lacking(
  request: PolicyRequest,
  statement: Statement,
  isOwn: boolean,
): readonly Difference[] | undefined {
  const { principal, resource, context } = request;
  const differences: Difference[] = [];
  if (!isOwn && statement.match(principal) === undefined) {
    const difference = principalOf(request, statement);
    if (!difference) return undefined;
    differences.push(difference);
  }
  if (!statement.covers(resource, context)) differences.push(resourceOf(request, statement));
  const only = differences.length;
  if (only > 1) return undefined;
  for (const condition of statement.conditions) {
    if (condition.isTrue(context)) continue;
    const difference = conditionOf(request, condition);
    if (!difference || only > 0 || differences.length === maxConditions) return undefined;
    differences.push(difference);
  }
  return differences.length === 0 ? undefined : differences;
}

/** @returns undefined if the statement names a deleted principal that had the caller's name */
function principalOf(
  { principal }: PolicyRequest,
  { written: { Principal } }: Statement,
): Difference | undefined {
  const written = [...(Principal?.AWS ?? []), ...(Principal?.Service ?? [])];
  if (written.includes(principal.arn)) return undefined;
  const text = `the principal is ${valueList([principal.arn], 'and')} and must be ${valueList(written, 'or')}`;
  return { element: 'Principal', present: [principal.arn], written, text };
}

function resourceOf(
  { resource }: PolicyRequest,
  { written: { Resource, NotResource } }: Statement,
): Difference {
  const written = Resource ?? NotResource ?? [];
  const not = NotResource ? 'not ' : '';
  const must = written.length === 0 ? 'it names none' : `must ${not}match ${valueList(written, 'or')}`;
  const text = `the resource is ${valueList([resource], 'and')} and ${must}`;
  return { element: 'Resource', present: [resource], written, text };
}

/** @param isTrue whether the condition is to become true @returns undefined if no request can make it so */
function conditionOf(
  { context }: PolicyRequest,
  condition: Condition,
  isTrue = true,
): (Difference & { readonly clause: string }) | undefined {
  const requirement = requirementOf(condition, isTrue, context);
  if (!requirement) return undefined;
  const present = context(condition.key.toLowerCase()) ?? [];
  const { must, clause } = requirement;
  const text = `${condition.key} ${presence(present)} and ${must}`;
  return { element: 'Condition', condition, present, written: condition.values, text, clause };
}

function wouldAllow({ action, principal }: PolicyRequest, { differences, ...found }: NearMiss): string {
  const isDelegation =
    found.policy.kind !== 'identity' &&
    principal.type !== 'Root' &&
    found.statement.match(principal) === 'account';
  const what = isDelegation ? `let the account's policies decide about ${action}` : `allow ${action}`;
  return `${place(found)} would ${what}, but ${differences.map(({ text }) => text).join(', and ')}.`;
}

/** Iterates over the denies that mean the principal and cover the resource. */
function* deniesOf(
  { principal, action, resource, context }: PolicyRequest,
  { resource: ofResource, identity, boundary, session = [] }: Policies<unknown>,
): Iterable<Found> {
  for (const policy of [ofResource, ...identity, boundary, ...session]) {
    for (const statement of policy?.about(action).denies ?? [])
      if (statement.means(principal, boundary !== undefined) && statement.covers(resource, context))
        yield { policy: policy!, statement };
  }
}

function applyingDenies(request: PolicyRequest, policies: Policies<unknown>): NearMiss[] {
  const { action, context } = request;
  const near: NearMiss[] = [];
  for (const found of deniesOf(request, policies)) {
    const { conditions } = found.statement;
    if (!conditions.every(({ isTrue }) => isTrue(context))) continue;
    const differences = conditions.flatMap((each) => conditionOf(request, each, false) ?? []);
    if (differences.length === 0) continue;
    const shownOnes = differences.slice(0, maxConditions);
    const reasons = shownOnes.map(({ condition, present }) => `${condition!.key} ${presence(present)}`);
    const clauses = shownOnes.map(({ clause }) => clause);
    const explanation = `${place(found)} denies ${action}, because ${reasons.join(' and ')}. It does not where ${clauses.join(' or ')}.`;
    near.push({ ...found, applies: true, differences: shownOnes, explanation });
    if (near.length === maxFound) break;
  }
  return near;
}

function distantDenies(request: PolicyRequest, policies: Policies<unknown>): NearMiss[] {
  const { action, context } = request;
  const near: NearMiss[] = [];
  for (const found of deniesOf(request, policies)) {
    const untrue = found.statement.conditions.filter(({ isTrue }) => !isTrue(context));
    const difference = untrue.length === 1 ? conditionOf(request, untrue[0]!) : undefined;
    if (!difference) continue;
    const { condition, present, clause } = difference;
    const explanation = `${place(found)} would deny ${action} where ${clause}. Here ${condition!.key} ${presence(present)}.`;
    near.push({ ...found, applies: false, differences: [difference], explanation });
    if (near.length === maxFound) break;
  }
  return near;
}

function closest(near: readonly NearMiss[]): NearMiss[] {
  const rank = ({ differences }: NearMiss) => differences.length * 10 + order[differences[0]!.element];
  return [...near].sort((one, other) => rank(one) - rank(other)).slice(0, maxFound);
}
