// PutKeyPolicy, GetKeyPolicy, ListKeyPolicies.
import { exceptions } from '../../../proto/errors.js';
import { Key, type KeyRecord, putKey } from '../../keys/index.js';
import { isPermitted } from '../../pipeline/authorization.js';
import {
  type AnyOperation,
  type ConditionContext,
  operation,
  type Permission,
} from '../../pipeline/operation.js';
import { page } from '../shared/paging.js';
import { keyPolicy, shownPolicy } from '../shared/policy-documents.js';
import { keyIdOrArn } from '../shared/key-resolvers.js';

/** The name of a key's only policy, as in AWS KMS. */
const defaultName = 'default';

const bypass = {
  'kms:BypassPolicyLockoutSafetyCheck': ({
    request,
  }: ConditionContext<{ bypassPolicyLockoutSafetyCheck?: boolean }>) =>
    String(request.bypassPolicyLockoutSafetyCheck ?? false),
};

const putKeyPolicy = operation({
  name: 'PutKeyPolicy',
  service: 'kms',
  readOnly: false,
  permissions: [{ action: 'kms:PutKeyPolicy', key: keyIdOrArn('keyId'), conditionKeys: bypass }],
  states: 'read',
  audited: ['keyId', 'policyName', 'policy', 'bypassPolicyLockoutSafetyCheck'],
  handle({ request, key, services, caller, origin }) {
    checkName(request.policyName);
    const { keyring, identities } = services;
    const policy = keyPolicy(request.policy, identities);
    if (!request.bypassPolicyLockoutSafetyCheck)
      checkLockout({ ...key.record, ...policy }, { request, services, caller, origin });
    return {
      response: {},
      changes: () => [putKey({ ...keyring.existing(key.record.keyId).record, ...policy })],
    };
  },
});

const getKeyPolicy = operation({
  name: 'GetKeyPolicy',
  service: 'kms',
  readOnly: true,
  permissions: [{ action: 'kms:GetKeyPolicy', key: keyIdOrArn('keyId') }],
  states: 'read',
  audited: ['keyId', 'policyName'],
  handle({ request: { policyName }, key, services: { identities } }) {
    checkName(policyName);
    const { policy, policyBindings } = key.record;
    const shown = shownPolicy(policy, policyBindings, identities);
    return { response: { policy: shown, policyName: defaultName } };
  },
});

const listKeyPolicies = operation({
  name: 'ListKeyPolicies',
  service: 'kms',
  readOnly: true,
  permissions: [{ action: 'kms:ListKeyPolicies', key: keyIdOrArn('keyId') }],
  states: 'read',
  audited: ['keyId', 'limit', 'marker'],
  handle({ request }) {
    const { items, truncated, nextMarker } = page(
      request,
      100,
      (after) => (after < defaultName ? [defaultName] : []),
      (name) => name,
    );
    return { response: { policyNames: items, truncated, nextMarker } };
  },
});

export const keyPolicyOperations: readonly AnyOperation[] = [putKeyPolicy, getKeyPolicy, listKeyPolicies];

/** @throws NotFoundException */
function checkName(policyName = defaultName): void {
  if (policyName !== defaultName) throw new exceptions.NotFoundException('No such policy exists');
}

/**
 * Refuses a key policy that would not let the caller change it again: the policy lockout safety check.
 * @param record of the key, with the new policy
 * @throws MalformedPolicyDocumentException
 */
export function checkLockout(
  record: KeyRecord,
  asked: Omit<ConditionContext<{ bypassPolicyLockoutSafetyCheck?: boolean }>, 'key'>,
): void {
  const key = new Key(record, asked.services.keyring.namer);
  const [permission] = putKeyPolicy.permissions as [Permission<Record<string, unknown>>];
  if (isPermitted(permission, { ...asked, request: { ...asked.request }, key })) return;
  throw new exceptions.MalformedPolicyDocumentException(
    'The new key policy will not allow you to update the key policy in the future. Allow it, or set ' +
      'BypassPolicyLockoutSafetyCheck.',
  );
}
