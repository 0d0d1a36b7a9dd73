// The one table of operations. Both transports, the CLI's commands, the documentation and the tests are driven by it
// and by the schema; a new operation is an entry in its family's file and a message in proto.
import { operationShapes } from '../../proto/descriptor.js';
import { adoptionOperations } from './adoption.js';
import { aliasOperations } from './aliases.js';
import { cryptographicOperations } from './cryptographic.js';
import { dataKeyPairOperations } from './data-key-pairs.js';
import { dataKeyOperations } from './data-keys.js';
import { deletionOperations } from './deletion.js';
import { importOperations } from './importing.js';
import { keyOperations } from './keys.js';
import { macOperations } from './mac.js';
import type { AnyOperation } from './operation.js';
import { withMarkers } from './paging.js';
import { publicKeyOperations } from './public-keys.js';
import { rotationOperations } from './rotation.js';
import { seedOperations } from './seed.js';
import { signingOperations } from './signing.js';
import { tagOperations } from './tags.js';

const entries = [
  ...keyOperations,
  ...deletionOperations,
  ...rotationOperations,
  ...importOperations,
  ...aliasOperations,
  ...tagOperations,
  ...cryptographicOperations,
  ...dataKeyOperations,
  ...dataKeyPairOperations,
  ...signingOperations,
  ...macOperations,
  ...publicKeyOperations,
  ...adoptionOperations,
  ...seedOperations,
];

export const operationTable: ReadonlyMap<string, AnyOperation> = new Map(
  entries.map((entry) => [entry.name, withMarkers(entry)]),
);

for (const { name } of operationShapes) {
  if (!operationTable.has(name))
    throw new Error(`The operation ${name} has no entry in the operation table.`);
}
