// CreatePolicyVersion, GetPolicyVersion, ListPolicyVersions, SetDefaultPolicyVersion, DeletePolicyVersion.
import { exceptions } from '../../../proto/errors.js';
import type { PolicyVersion as PolicyVersionMessage } from '../../../proto/generated/messages.js';
import { type ManagedPolicy, putPolicyVersions } from '../../identity/identities.js';
import {
  type PolicyVersion,
  type PolicyVersions,
  versionId,
  versionNumbered,
  versionsPerPolicy,
} from '../../identity/policy-versions.js';
import { existingManagedPolicy } from './managed-policies.js';
import { type AnyOperation, operation, type Services } from '../../pipeline/operation.js';
import { iamPageLength, page } from '../shared/paging.js';
import { checkIdentityPolicy } from '../shared/policy-documents.js';

/** A policy with its versions, and the one that a request names. */
interface Versioned {
  readonly policy: ManagedPolicy;
  readonly all: PolicyVersions;
  readonly version: PolicyVersion;
}

const createPolicyVersion = operation({
  name: 'CreatePolicyVersion',
  service: 'keyhold',
  readOnly: false,
  permissions: [{ action: 'keyhold:CreatePolicyVersion', resource: ({ policyArn }) => policyArn }],
  audited: ['policyArn', 'policyDocument', 'setAsDefault'],
  auditedResponse: (response) => response,
  handle({ request: { policyArn, policyDocument, setAsDefault = false }, services }) {
    checkIdentityPolicy(policyDocument);
    const createdAt = Math.floor(Date.now() / 1000);
    const add = () => {
      const policy = existingManagedPolicy(policyArn, services);
      const all = services.identities.versionsOf(policy);
      if (all.versions.length >= versionsPerPolicy) {
        throw new exceptions.LimitExceededException(
          `A managed policy can have up to ${versionsPerPolicy} versions. Before you create a new version, you must delete ` +
            'an existing version.',
        );
      }
      const version = { number: all.lastVersion + 1, createdAt, document: policyDocument };
      const next: PolicyVersions = {
        defaultVersion: setAsDefault ? version.number : all.defaultVersion,
        lastVersion: version.number,
        versions: [...all.versions, version],
      };
      return { policy, next, version };
    };
    const { next, version } = add();
    return {
      response: { policyVersion: versionMessage(version, next) },
      changes: () => {
        const now = add();
        if (now.version.number !== version.number) {
          throw new exceptions.ConflictException(
            `Another version of ${policyArn} was created at the same time. Try again.`,
          );
        }
        return putPolicyVersions(now.policy.record, now.next);
      },
    };
  },
});

const getPolicyVersion = operation({
  name: 'GetPolicyVersion',
  service: 'keyhold',
  readOnly: true,
  permissions: [{ action: 'keyhold:GetPolicyVersion', resource: ({ policyArn }) => policyArn }],
  audited: ['policyArn', 'versionId'],
  handle({ request, services }) {
    const { all, version } = existingVersion(request, services);
    return {
      response: { policyVersion: { document: version.document, ...versionMessage(version, all) } },
    };
  },
});

const listPolicyVersions = operation({
  name: 'ListPolicyVersions',
  service: 'keyhold',
  readOnly: true,
  permissions: [{ action: 'keyhold:ListPolicyVersions', resource: ({ policyArn }) => policyArn }],
  audited: ['policyArn', 'limit', 'marker'],
  handle({ request, services }) {
    const policy = existingManagedPolicy(request.policyArn, services);
    const all = services.identities.versionsOf(policy);
    const newestFirst = [...all.versions].reverse();
    const { items, truncated, nextMarker } = page(
      request,
      iamPageLength,
      (after) => newestFirst.filter(({ number }) => after === '' || number < numberOf(after)),
      versionId,
    );
    const versions = items.map((version) => versionMessage(version, all));
    return { response: { versions, truncated, nextMarker } };
  },
});

const setDefaultPolicyVersion = operation({
  name: 'SetDefaultPolicyVersion',
  service: 'keyhold',
  readOnly: false,
  permissions: [{ action: 'keyhold:SetDefaultPolicyVersion', resource: ({ policyArn }) => policyArn }],
  audited: ['policyArn', 'versionId'],
  handle({ request, services }) {
    const changes = () => {
      const { policy, all, version } = existingVersion(request, services);
      if (version.number === all.defaultVersion) return [];
      return putPolicyVersions(policy.record, { ...all, defaultVersion: version.number });
    };
    changes();
    return { response: {}, changes };
  },
});

const deletePolicyVersion = operation({
  name: 'DeletePolicyVersion',
  service: 'keyhold',
  readOnly: false,
  permissions: [{ action: 'keyhold:DeletePolicyVersion', resource: ({ policyArn }) => policyArn }],
  audited: ['policyArn', 'versionId'],
  handle({ request, services }) {
    const changes = () => {
      const { policy, all, version } = existingVersion(request, services);
      if (version.number === all.defaultVersion)
        throw new exceptions.DeleteConflictException('Cannot delete the default version of a policy.');
      const versions = all.versions.filter((each) => each !== version);
      return putPolicyVersions(policy.record, { ...all, versions });
    };
    changes();
    return { response: {}, changes };
  },
});

export const policyVersionOperations: readonly AnyOperation[] = [
  createPolicyVersion,
  getPolicyVersion,
  listPolicyVersions,
  setDefaultPolicyVersion,
  deletePolicyVersion,
];

/** @throws NoSuchEntityException */
function existingVersion(
  request: { readonly policyArn: string; readonly versionId: string },
  services: Services,
): Versioned {
  const policy = existingManagedPolicy(request.policyArn, services);
  const all = services.identities.versionsOf(policy);
  const version = versionNumbered(all, numberOf(request.versionId));
  if (version) return { policy, all, version };
  throw new exceptions.NoSuchEntityException(
    `Policy ${request.policyArn} version ${request.versionId} does not exist or is not attachable.`,
  );
}

/** The number in the ID of a version. */
function numberOf(id: string): number {
  return Number(id.slice(1));
}

/** IAM shows the document only in GetPolicyVersion. */
function versionMessage(version: PolicyVersion, { defaultVersion }: PolicyVersions): PolicyVersionMessage {
  return {
    versionId: versionId(version),
    isDefaultVersion: version.number === defaultVersion,
    createDate: version.createdAt,
  };
}
