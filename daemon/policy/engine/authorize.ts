import { PolicyError } from '../errors.js';
import type { Caller } from '../../identity/caller.js';
import type { Identities } from '../../identity/identities.js';
import { policiesOf, principalOf, type TrustedRole, trustPolicyOf } from './caller-policies.js';
import { decide, type Decision, type Policies, type PolicyRequest } from './decide.js';
import { type KeyPolicySource, keyPolicyOf } from './key-policies.js';
import { accessDenied } from './messages.js';
import { type NearMiss, nearMisses } from './near-misses.js';
import type { Lookup } from '../language/patterns.js';

/** A request to authorize, with the policies' sources. */
export interface AuthorizationRequest<Grant> {
  readonly principal: Caller;
  /** `kms:Encrypt` */
  readonly action: string;
  /** ARN of the resource, or `*` if the operation has none. */
  readonly resource: string;
  /** The key, if the resource is one. */
  readonly key: KeyPolicySource | undefined;
  /** The role, if one is to be assumed: its trust policy decides. `role` is undefined if there is no such role. */
  readonly trust?: { readonly role: TrustedRole | undefined } | undefined;
  readonly identities: Identities;
  readonly context: Lookup;
  /** Finds a grant of the key that allows the request. @param grantee as in {@link Policies.grant} */
  readonly grant?: ((grantee: string) => Grant | undefined) | undefined;
}

/**
 * Authorizes a request. Every operation is authorized here.
 * @throws PolicyError (access-denied)
 */
export function authorize(request: AuthorizationRequest<unknown>): void {
  const { principal: caller, action, resource, trust } = request;
  if (trust && caller.type === 'Root') throw rootAssumesNothing();
  const decision = decisionAbout(request);
  if (!decision.allowed) throw accessDenied({ principal: principalOf(caller), action, resource }, decision);
}

/**
 * Whether a key's policy allows an action to the account root regardless of the request, as nearly all key policies do. Then
 * {@link authorize} would allow it too, and no condition keys have to be collected.
 */
export function isAllowedForRoot(caller: Caller, action: string, key: KeyPolicySource): boolean {
  if (caller.type !== 'Root') return false;
  const { unconditional } = keyPolicyOf(key).about(action);
  return unconditional.some((allow) => allow.match(caller) === 'own');
}

/** STS's error for the root, regardless of the trust policy. */
export function rootAssumesNothing(): PolicyError {
  return new PolicyError('access-denied', 'Roles may not be assumed by root accounts.');
}

/** Decides a request and returns the reason. */
export function decisionAbout<Grant>(request: AuthorizationRequest<Grant>): Decision<Grant> {
  // As at STS, a role that does not exist looks like one that does not trust the caller.
  if (request.trust && !request.trust.role) return { allowed: false, missing: 'role trust policy' };
  return decide<Grant>(asPoliciesSeeIt(request), policiesFor(request));
}

/** Finds the statements that nearly decided a request otherwise. @param decision the result of {@link decisionAbout} */
export function nearMissesOf(
  request: AuthorizationRequest<unknown>,
  decision: Decision,
): readonly NearMiss[] {
  if (request.trust && !request.trust.role) return [];
  return nearMisses(asPoliciesSeeIt(request), policiesFor(request), decision);
}

function asPoliciesSeeIt(request: AuthorizationRequest<unknown>): PolicyRequest {
  const { principal: caller, action, resource, context } = request;
  return { principal: principalOf(caller), action, resource, context };
}

function policiesFor<Grant>(request: AuthorizationRequest<Grant>): Policies<Grant> {
  const { principal: caller, key, trust, identities, grant } = request;
  const resource = trust?.role ? trustPolicyOf(trust.role) : key && keyPolicyOf(key);
  return { resource, ...policiesOf(caller, identities), grant };
}
