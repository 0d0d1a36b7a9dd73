// The errors that the documentation of AWS KMS names for each operation, and which of them no test of one operation provokes.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/** Documented errors that a request alone does not provoke, or that are tested elsewhere, and why. */
export const unprovoked: Readonly<Record<string, string>> = {
  DependencyTimeoutException: 'takes an HSM that hangs: test/e2e/faults',
  KeyUnavailableException: 'takes an HSM that is away: test/e2e/faults',
  KMSInternalException: 'takes a fault of the daemon',
  KMSServiceException: 'is the SDK’s base class',
  LimitExceededException: 'takes small limits: the tests of each limit',
  ConflictException: 'takes a clock that moves: test/e2e/rotation',
  ExpiredImportTokenException: 'takes a clock that moves: test/e2e/import-life',
  'ListKeyRotations.KMSInvalidStateException': 'no state forbids a list',
  'GetKeyRotationStatus.KMSInvalidStateException': 'a key that is Unavailable takes an HSM that is away',
  ...Object.fromEntries(
    ['PutKeyPolicy', 'GetKeyPolicy', 'ListKeyPolicies', 'ListGrants', 'RetireGrant', 'RevokeGrant'].map(
      (name) => [`${name}.KMSInvalidStateException`, 'no state forbids it, as the table of key states says'],
    ),
  ),
  'PutKeyPolicy.UnsupportedOperationException': 'there is no key whose policy could not be put',
  'ListRetirableGrants.NotFoundException': 'a principal that does not exist is InvalidArnException',
  'DeleteAlias.KMSInvalidStateException': 'no state forbids it, as the table of key states says',
  'GetPublicKey.InvalidArnException': 'takes all forms of key identifiers',
  'CreateKey.InvalidArnException': 'a request takes no ARN',
  'GetPublicKey.InvalidKeyUsageException': 'no usage forbids it',
  'GetPublicKey.DisabledException': 'a disabled key shows its public key, as at AWS',
  'GetKeyRotationStatus.UnsupportedOperationException': 'a key that cannot rotate answers false, as at AWS',
  'ListKeyRotations.UnsupportedOperationException': 'a key that cannot rotate has an empty list, as at AWS',
  'DisableKeyRotation.UnsupportedOperationException':
    'takes a key in a custom key store: test/e2e/custom-key-store-keys',
  'Decrypt.InvalidKeyUsageException': 'is IncorrectKeyException: test/e2e/two-faults',
  'DeleteImportedKeyMaterial.KMSInvalidStateException':
    'no state forbids it, as the table of key states says',
  'UpdateAlias.LimitExceededException': 'takes small limits',
  ...Object.fromEntries(
    ['Encapsulate', 'Decapsulate'].flatMap((name) => [
      [`${name}.DryRunOperationException`, 'takes a module with ML-KEM: test/e2e/encapsulation'],
    ]),
  ),
  ...Object.fromEntries(
    ['AlreadyExistsException', 'MalformedPolicyDocumentException', 'TagException'].map((code) => [
      `ReplicateKey.${code}`,
      'takes two linked Regions: test/e2e/regions',
    ]),
  ),
  'Decapsulate.InvalidCiphertextException': 'takes a module with ML-KEM: test/e2e/encapsulation',
};

/** What no key of SoftHSM does, and where it is tested. */
export const testedElsewhere: Readonly<Record<string, string>> = {
  Encapsulate: 'SoftHSM 2.6.1 has no ML-KEM: test/e2e/encapsulation',
  ReplicateKey: 'takes two linked Regions: test/e2e/regions',
  UpdatePrimaryRegion: 'takes two linked Regions: test/e2e/regions',
  Decapsulate: 'SoftHSM 2.6.1 has no ML-KEM: test/e2e/encapsulation',
};

/** The errors that the SDK's documentation of a command names. */
export function documentedErrors(name: string): Set<string> {
  const sdk = dirname(createRequire(import.meta.url).resolve('@aws-sdk/client-kms/package.json'));
  const text = readFileSync(join(sdk, 'dist-types/commands', `${name}Command.d.ts`), 'utf8');
  return new Set([...text.matchAll(/@throws \{@link (\w+)\}/g)].map(([, code]) => code!));
}
