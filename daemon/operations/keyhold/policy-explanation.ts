// ExplainPolicy: explains how a request would be decided, by running the code that decides requests.
import { exceptions } from '../../../proto/errors.js';
import type {
  ContextEntry,
  ExplainPolicyRequest,
  NearMiss as NearMissMessage,
  StringMap,
} from '../../../proto/generated/messages.js';
import { type Caller, principalArn } from '../../identity/caller.js';
import { simulatedCaller } from '../../identity/simulated-caller.js';
import type { Grant, Key } from '../../keys/index.js';
import { shown } from '../../../proto/text.js';
import {
  type AuthorizationRequest,
  decisionAbout,
  nearMissesOf,
  rootAssumesNothing,
} from '../../policy/engine/authorize.js';
import { accessDenied, explain } from '../../policy/engine/messages.js';
import type { NearMiss } from '../../policy/engine/near-misses.js';
import { principalOf } from '../../policy/engine/caller-policies.js';
import { conditionsOf } from '../../pipeline/condition-keys.js';
import { deletedPrincipals } from '../shared/policy-documents.js';
import { type AnyOperation, operation, type Permission, type Services } from '../../pipeline/operation.js';

type AnyPermission = Permission<Record<string, unknown>>;

const decisions = {
  allowed: 'ALLOWED',
  explicitDeny: 'EXPLICIT_DENY',
  implicitDeny: 'IMPLICIT_DENY',
} as const;

/** The operation ExplainPolicy. @param table returns the operation table, which contains this operation too */
export function policyExplanationOperations(
  table: () => ReadonlyMap<string, AnyOperation>,
): readonly AnyOperation[] {
  const explainPolicy = operation({
    name: 'ExplainPolicy',
    service: 'keyhold',
    readOnly: true,
    permissions: [
      {
        action: 'keyhold:ExplainPolicy',
        resource: ({ principal }, { identities }) => simulatedCaller(principal, identities)?.arn ?? principal,
      },
    ],
    audited: ['principal', 'action', 'keyId', 'resourceArn', 'context'],
    handle({ request, services, origin: { region } }) {
      const { action, ...permission } = permissionFor(request, table());
      const caller = existingPrincipal(request.principal, services);
      const { keyring, identities, grants } = services;
      const key = request.keyId === undefined ? undefined : keyring.find(request.keyId);
      const resource = key?.arn ?? request.resourceArn ?? '*';
      const isTrust = permission.trust !== undefined;
      if (isTrust && caller.type === 'Root') {
        const { message } = rootAssumesNothing();
        return { response: { decision: 'IMPLICIT_DENY', reason: message, message, nearMisses: [] } };
      }
      const given = request.context ?? [];
      const asked = {
        principal: caller,
        action,
        resource,
        key: key?.record,
        trust: isTrust ? { role: identities.roleByArn(resource)?.record } : undefined,
        identities,
        context: contextOf(given, caller, key, services, region),
        grant: key && ((id: string) => grants.find(key, id, nameOf(action), encryptionContext(given))),
      } satisfies AuthorizationRequest<Grant>;
      const decision = decisionAbout(asked);
      const { decision: kind, reason: made } = explain(decision, ({ grantId }) => grantId);
      const trusting = isTrust ? identities.roleByArn(resource)?.record : undefined;
      const bindings = key?.record.policyBindings ?? trusting?.trustBindings;
      const gone = decision.allowed ? '' : deletedSentence(caller, deletedPrincipals(bindings, identities));
      const reason = made + gone;
      const message = decision.allowed
        ? undefined
        : accessDenied({ principal: principalOf(caller), action, resource }, decision).message;
      const nearMisses = nearMissesOf(asked, decision).map(nearMissMessage);
      return {
        response: {
          decision: decisions[kind],
          reason,
          message,
          nearMisses,
        },
      };
    },
  });
  return [explainPolicy];
}

/** Maximum number of values of one difference in an answer, and of UTF-16 units of a value. */
const maxValues = 10;
const longestValue = 256;

function nearMissMessage({
  policy,
  statement,
  applies,
  differences,
  explanation,
}: NearMiss): NearMissMessage {
  const some = (values: readonly string[]) =>
    values.slice(0, maxValues).map((value) => shown(value, longestValue));
  return {
    policy: policy.name,
    statement: statement.path,
    sid: statement.sid,
    effect: statement.effect,
    applies,
    differences: differences.map(({ element, condition, present, written }) => ({
      element,
      conditionKey: condition?.key,
      conditionOperator: condition?.operator,
      requestValues: some(present),
      policyValues: some(written),
    })),
    explanation,
  };
}

/** A sentence for a policy that names the caller's ARN but means a deleted principal that had it before; else empty. */
function deletedSentence(caller: Caller, deleted: ReadonlyMap<string, string>): string {
  for (const arn of [caller.arn, principalArn(caller)]) {
    const id = deleted.get(arn);
    if (id !== undefined)
      return ` The policy names ${arn} as it was when the policy was put: that principal (${id}) was deleted, and who has its name now is not meant.`;
  }
  return '';
}

/**
 * Finds the permission of an action. Some actions, such as kms:CreateAlias, have one for a key and one for another resource.
 * @throws ValidationException
 */
function permissionFor(
  { action, keyId }: ExplainPolicyRequest,
  table: ReadonlyMap<string, AnyOperation>,
): AnyPermission {
  const all = [...table.values()].flatMap(({ permissions }) => permissions);
  const named = all.filter((permission) => permission.action.toLowerCase() === action.toLowerCase());
  if (named.length === 0) throw new exceptions.ValidationException(`There is no action '${action}'.`);
  const found = named.find(({ key }) => (key !== undefined) === (keyId !== undefined));
  if (found) return found;
  throw new exceptions.ValidationException(
    keyId === undefined
      ? `${named[0]!.action} is about a key: say which by KeyId.`
      : `${named[0]!.action} is about no key: leave KeyId out.`,
  );
}

/** @throws NoSuchEntityException */
function existingPrincipal(principal: string, { identities }: Services): Caller {
  const caller = simulatedCaller(principal, identities);
  if (caller) return caller;
  throw new exceptions.NoSuchEntityException(
    `There is no principal '${principal}': name "root", user/NAME, role/NAME or an ARN.`,
  );
}

/** The given condition keys, and those known of caller and key. Those that only a real request has are undefined. */
function contextOf(
  given: readonly ContextEntry[],
  caller: Caller,
  key: Key | undefined,
  services: Services,
  region: string,
) {
  const values = new Map(
    given.map(({ contextKeyName, contextKeyValues = [] }) => [
      contextKeyName.toLowerCase(),
      contextKeyValues,
    ]),
  );
  const origin = { region, sourceAddress: undefined, userAgent: '' };
  const known = conditionsOf(
    { action: '', key: key && (() => key) },
    { request: {}, key, services, caller, origin },
  );
  return (name: string) => values.get(name) ?? known(name);
}

const contextPrefix = 'kms:encryptioncontext:';

/** The encryption context that the given condition keys describe. */
function encryptionContext(given: readonly ContextEntry[]): StringMap {
  const context = Object.create(null) as StringMap;
  for (const { contextKeyName, contextKeyValues: [value = ''] = [] } of given)
    if (contextKeyName.toLowerCase().startsWith(contextPrefix))
      context[contextKeyName.slice(contextPrefix.length)] = value;
  return context;
}

/** An action without its service, as CreateGrant names operations. */
function nameOf(action: string): string {
  return action.slice(action.indexOf(':') + 1);
}
