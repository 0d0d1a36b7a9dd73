// The one table of operations. Both transports, the CLI's commands, the documentation and the tests are driven by it
// and by the schema; a new operation is an entry in its family's file and a message in proto.
import { operationShapes } from '../../proto/schema/descriptor.js';
import { accessKeyOperations } from './access-keys.js';
import { adoptionOperations } from './adoption.js';
import { migrationOperations } from './migration.js';
import { aliasOperations } from './aliases.js';
import { attachmentOperations } from './attachments.js';
import { cryptographicOperations } from './cryptographic.js';
import { customKeyStoreOperations } from './custom-key-stores.js';
import { dataKeyPairOperations } from './data-key-pairs.js';
import { dataKeyOperations } from './data-keys.js';
import { deletionOperations } from './deletion.js';
import { encapsulationOperations } from './encapsulation.js';
import { grantRemovalOperations } from './grant-removal.js';
import { grantOperations } from './grants.js';
import { importOperations } from './importing.js';
import { keyPolicyOperations } from './key-policies.js';
import { keyOperations } from './keys.js';
import { macOperations } from './mac.js';
import { managedPolicyOperations } from './managed-policies.js';
import type { AnyOperation } from './operation.js';
import { withMarkers } from './paging.js';
import { policyExplanationOperations } from './policy-explanation.js';
import { publicKeyOperations } from './public-keys.js';
import { roleOperations } from './roles.js';
import { rotationOperations } from './rotation.js';
import { seedOperations } from './seed.js';
import { signingOperations } from './signing.js';
import { stsOperations } from './sts.js';
import { tagOperations } from './tags.js';
import { userOperations } from './users.js';

const entries: readonly AnyOperation[] = [
  ...keyOperations,
  ...deletionOperations,
  ...rotationOperations,
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
  ...encapsulationOperations,
  ...adoptionOperations,
  ...migrationOperations,
  ...seedOperations,
  ...userOperations,
  ...roleOperations,
  ...managedPolicyOperations,
  ...attachmentOperations,
  ...accessKeyOperations,
  ...stsOperations,
  ...policyExplanationOperations(() => operationTable),
  ...customKeyStoreOperations,
];

export const operationTable: ReadonlyMap<string, AnyOperation> = new Map(
  entries.map((entry) => [entry.name, withMarkers(entry)]),
);

for (const { name, service } of operationShapes) {
  const entry = operationTable.get(name);
  if (!entry) throw new Error(`The operation ${name} has no entry in the operation table.`);
  if (entry.service !== service) throw new Error(`The operation ${name} is of ${service} in the schema.`);
}
