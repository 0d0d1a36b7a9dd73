// The one table of operations. Both transports, the CLI's commands, the documentation and the tests are driven by it
// and by the schema; a new operation is an entry in its family's file and a message in proto.
import { operationShapes } from '../../proto/schema/descriptor.js';
import { accessKeyOperations } from './iam/access-keys.js';
import { adoptionOperations } from './keyhold/adoption.js';
import { auditArchiveOperations } from './keyhold/audit-archive.js';
import { backupOperations } from './keyhold/backup.js';
import { migrationOperations } from './keyhold/migration.js';
import { aliasOperations } from './kms/aliases.js';
import { auditOperations } from './keyhold/audit.js';
import { attachmentOperations } from './iam/attachments.js';
import { cryptographicOperations } from './kms/cryptographic.js';
import { customKeyStoreOperations } from './kms/custom-key-stores.js';
import { dataKeyPairOperations } from './kms/data-key-pairs.js';
import { dataKeyOperations } from './kms/data-keys.js';
import { deletionOperations } from './kms/deletion.js';
import { encapsulationOperations } from './kms/encapsulation.js';
import { grantRemovalOperations } from './kms/grant-removal.js';
import { grantOperations } from './kms/grants.js';
import { importOperations } from './kms/importing.js';
import { keyPolicyOperations } from './kms/key-policies.js';
import { keyOperations } from './kms/keys.js';
import { macOperations } from './kms/mac.js';
import { multiRegionOperations } from './kms/multi-region.js';
import { managedPolicyOperations } from './iam/managed-policies.js';
import type { AnyOperation } from '../pipeline/operation.js';
import { withMarkers } from './shared/paging.js';
import { policyVersionOperations } from './iam/policy-versions.js';
import { policyExplanationOperations } from './keyhold/policy-explanation.js';
import { regionLinkOperations } from './keyhold/region-links.js';
import { keyAgreementOperations } from './kms/key-agreement.js';
import { publicKeyOperations } from './kms/public-keys.js';
import { roleOperations } from './iam/roles.js';
import { rotationOperations } from './kms/rotation.js';
import { seedOperations } from './keyhold/seed.js';
import { signingOperations } from './kms/signing.js';
import { stsOperations } from './sts/sts.js';
import { statusOperations } from './keyhold/status.js';
import { tagOperations } from './kms/tags.js';
import { userOperations } from './iam/users.js';

const entries: readonly AnyOperation[] = [
  ...keyOperations,
  ...deletionOperations,
  ...rotationOperations,
  ...multiRegionOperations,
  ...importOperations,
  ...aliasOperations,
  ...tagOperations,
  ...keyPolicyOperations,
  ...grantOperations,
  ...grantRemovalOperations,
  ...cryptographicOperations,
  ...dataKeyOperations,
  ...dataKeyPairOperations,
  ...signingOperations,
  ...macOperations,
  ...publicKeyOperations,
  ...keyAgreementOperations,
  ...encapsulationOperations,
  ...adoptionOperations,
  ...migrationOperations,
  ...auditArchiveOperations,
  ...backupOperations,
  ...seedOperations,
  ...regionLinkOperations,
  ...statusOperations,
  ...auditOperations,
  ...userOperations,
  ...roleOperations,
  ...managedPolicyOperations,
  ...policyVersionOperations,
  ...attachmentOperations,
  ...accessKeyOperations,
  ...stsOperations,
  ...policyExplanationOperations(() => operationTable),
  ...customKeyStoreOperations,
];

/** All operations, by name. */
export const operationTable: ReadonlyMap<string, AnyOperation> = new Map(
  entries.map((entry) => [entry.name, withMarkers(entry)]),
);

for (const { name, service } of operationShapes) {
  const entry = operationTable.get(name);
  if (!entry) throw new Error(`The operation ${name} has no entry in the operation table.`);
  if (entry.service !== service) throw new Error(`The operation ${name} is of ${service} in the schema.`);
}
