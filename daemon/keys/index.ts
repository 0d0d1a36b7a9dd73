// The public interface of this folder. Other folders import only this file.

// Keys, their records, states and identifiers.
export { Key, type Material, type SymmetricMaterial } from './key.js';
export {
  type KeyRecord,
  locationOf,
  type MaterialProof,
  materialProof,
  type MaterialRecord,
  materialsOf,
  periodBegins,
  type RegionsRecord,
  storeIdOf,
  withPlausiblePeriods,
} from './record.js';
export { type Alias, Keyring, putAlias, putKey } from './keyring.js';
export { keyDefaults } from './new-key.js';
export { keyMetadata } from './metadata.js';
export { checkState, earliestExpiry, type StateRow } from './states.js';
export { Namer } from './identifiers.js';
export { managedAliases, managedAliasPrefix, managedDescription, ManagedKeyNotMade } from './managed-keys.js';
export { removeKey } from './removal.js';
export { LastUsage } from './last-usage.js';
export { KeyError, type KeyErrorCode } from './errors.js';
export type { KeyServices } from './services.js';

// Multi-Region keys.
export {
  checkNoReplica,
  checkPrimary,
  hasReplicas,
  isReplica,
  mostReplicas,
  multiRegionKeyTypeOf,
  regionsOf,
  withoutRegion,
} from './multi-region/relation.js';
export {
  type Arrivals,
  digestOf,
  droppedMaterial,
  type SharedProperties,
  sharedProperties,
  sharedPropertiesOf,
  withSharedProperties,
} from './multi-region/shared-properties.js';
export { separated, withoutReplica, withRegions } from './multi-region/separation.js';
export {
  type ArrivedMaterial,
  checkTravels,
  isProved,
  proveMaterial,
  receiveMaterial,
  sendMaterial,
} from './multi-region/transfer.js';

// Key specs: generation, algorithms, and the mechanisms that they need.
export { tryOut } from './specs/algorithm-probe.js';
export { algorithmOf, algorithmsOf, customerMasterKeySpec } from './specs/algorithms.js';
export { readPeerKey } from './specs/ecdh-public-key.js';
export type { EncryptionAlgorithm } from './specs/entry.js';
export {
  capabilitiesOf,
  checkImportable,
  checkMechanisms,
  mechanismName,
  mechanismsOf,
} from './specs/mechanisms.js';
export { CKA_CLASS, CKA_ID, CKA_LABEL, CKM_RSA_PKCS_KEY_PAIR_GEN } from './specs/pkcs11.js';
export { signingInput } from './specs/signing-input.js';
export {
  ecdsaSha256,
  hmacSha256,
  type InternalKeyPurpose,
  internalKeys,
  type KeySpecEntry,
  keySpecs,
  type KeyUsageEntry,
  usageIn,
} from './specs/table.js';
export { examine, type Examined, lacksOf } from './specs/token-probe.js';

// Key material: creation, rotation, destruction, and repair after a crash.
export {
  destructionPrefix,
  finishDestruction,
  finishDestructions,
  intendDestruction,
} from './material/destructions.js';
export { foreignObjects, type Inspection, inspectToken, isPair } from './material/inspection.js';
export { generateMaterial, intendedObjects, repairIntents } from './material/intents.js';
export { type InternalKeys, openInternalKeys } from './material/internal-keys.js';
export { MaterialFactory, type NewMaterial } from './material/material-factory.js';
export { MessageCounts } from './material/message-counts.js';
export {
  hasRotations,
  isRotatable,
  onDemandRotations,
  replicasWithout,
  rotationFrom,
  rotationsOf,
} from './material/rotation.js';
export { UnknownMaterial, UnknownMaterials } from './material/unknown-materials.js';

// Import of key material.
export { expiredMaterial, withoutMaterial, withRotation } from './import/imported-material.js';
export {
  importParametersValid,
  openToken,
  putWrappingKey,
  sealToken,
  wrappingKey,
  wrappingKeyNames,
  wrappingKeyPrefix,
  wrappingObjects,
} from './import/wrapping-keys.js';
export { importTarget, wrappingKeyTemplate, wrappingOf } from './import/wrapping.js';

// Grants.
export {
  checkOperations,
  type Constraint,
  constraintOf,
  constraintsMessage,
  type Permissions,
  suppliedConstraints,
} from './grants/grant-constraints.js';
export { checkGrantTokens, type GrantName, grantOfToken, makeGrantToken } from './grants/grant-tokens.js';
export { type Grant, putGrant, removeGrant } from './grants/grant.js';
export { Grants } from './grants/grants.js';

// Key stores: the default one and custom ones.
export {
  type CustomKeyStoreRecord,
  customKeyStores,
  existingCustomKeyStore,
  putCustomKeyStore,
  customKeyStorePrefix,
  customKeyStoreSecretName,
} from './stores/custom-key-stores.js';
export {
  type Backing,
  type ClusterDirectory,
  KeyStores,
  type MaterialLocation,
} from './stores/key-stores.js';

// Adoption of keys that already exist in the token.
export {
  type Candidate,
  candidate,
  checkAdoptable,
  idOf,
  inspectedTypes,
  NotAdoptable,
  specOf,
} from './adoption/adoption.js';
