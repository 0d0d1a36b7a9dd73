// What each operation does, as the help of its command says it, in the groups of `keyhold --help`.
import type { OperationName } from '../../../proto/schema/descriptor.js';

type Texts = Readonly<Partial<Record<OperationName, string>>>;

/** The headings of `keyhold --help`, in its order, with the operations below each. */
export const operationGroups = {
  'Keys:': {
    CreateKey: 'Creates a key in the HSM.',
    DescribeKey: 'Shows what is known about a key.',
    ListKeys: 'Lists all keys.',
    UpdateKeyDescription: 'Changes the description of a key.',
    EnableKey: 'Lets a disabled key be used again.',
    DisableKey: 'Stops every use of a key until it is enabled again.',
    ScheduleKeyDeletion: 'Deletes a key after a waiting period of 7 to 30 days.',
    CancelKeyDeletion: 'Keeps a key that is waiting for its deletion.',
    GetKeyLastUsage: 'Shows when a key was last used, and for what.',
    TagResource: 'Adds tags to a key, or changes them.',
    UntagResource: 'Removes tags from a key.',
    ListResourceTags: 'Lists the tags of a key.',
    CreateAlias: 'Gives a key a name.',
    UpdateAlias: 'Points an alias at another key.',
    DeleteAlias: 'Deletes an alias. Its key stays.',
    ListAliases: 'Lists aliases and their keys.',
  },
  'Encryption and data keys:': {
    Encrypt: 'Encrypts up to 4,096 bytes with a key.',
    Decrypt: 'Decrypts a ciphertext.',
    ReEncrypt: 'Encrypts a ciphertext under another key. The plaintext stays in the daemon.',
    GenerateDataKey: 'Makes a data key, in the clear and encrypted under a key.',
    GenerateDataKeyWithoutPlaintext: 'Makes a data key, encrypted only.',
    GenerateDataKeyPair: 'Makes a key pair, its private key in the clear and encrypted.',
    GenerateDataKeyPairWithoutPlaintext: 'Makes a key pair, its private key encrypted only.',
    GenerateRandom: 'Returns random bytes of the HSM.',
  },
  'Signatures, MACs and key agreement:': {
    Sign: 'Signs a message or its digest.',
    Verify: 'Verifies a signature in the HSM.',
    GetPublicKey: 'Shows the public key of a key pair.',
    GenerateMac: 'Computes the HMAC of a message.',
    VerifyMac: 'Verifies the HMAC of a message.',
    DeriveSharedSecret: 'Agrees on a shared secret with the owner of a public key (ECDH).',
    Encapsulate: 'Makes a shared secret and its ciphertext for a public key (ML-KEM).',
    Decapsulate: 'Recovers a shared secret from its ciphertext (ML-KEM).',
  },
  'Rotation:': {
    EnableKeyRotation: 'Rotates a key at regular intervals from now on.',
    DisableKeyRotation: 'Ends the automatic rotation of a key.',
    GetKeyRotationStatus: 'Shows whether and when a key is rotated.',
    RotateKeyOnDemand: 'Gives a key new key material now.',
    ListKeyRotations: 'Lists the rotations of a key.',
  },
  'Import and adoption:': {
    GetParametersForImport: 'Returns the wrapping key and token for importing key material.',
    ImportKeyMaterial: 'Imports wrapped key material into a key of origin EXTERNAL.',
    DeleteImportedKeyMaterial: 'Deletes imported key material. It can be imported again.',
    AdoptKey: 'Makes an object that is already in the HSM a key.',
  },
  'Permissions:': {
    PutKeyPolicy: 'Replaces the policy of a key.',
    GetKeyPolicy: 'Shows the policy of a key.',
    ListKeyPolicies: "Lists the names of a key's policies: 'default'.",
    CreateGrant: 'Lets a user or role use a key, without a change of its policy.',
    ListGrants: 'Lists the grants for a key.',
    ListRetirableGrants: 'Lists the grants that a user or role may retire.',
    RetireGrant: 'Gives up a grant, as its grantee or retiring principal.',
    RevokeGrant: 'Takes a grant away, as an administrator of the key.',
    ExplainPolicy: 'Explains whether a request would be allowed, and why.',
  },
  'Key stores:': {
    CreateCustomKeyStore: 'Registers a second HSM or token as a key store.',
    UpdateCustomKeyStore: 'Changes the name, password or cluster of a key store.',
    DescribeCustomKeyStores: 'Lists key stores and their connection states.',
    ConnectCustomKeyStore: 'Connects a key store, so that its keys can be used.',
    DisconnectCustomKeyStore: 'Disconnects a key store. Its keys cannot be used until it is connected.',
    DeleteCustomKeyStore: 'Removes a key store that has no keys.',
    MigrateKey: 'Gives a symmetric key new key material in another key store.',
  },
  'Users, roles and policies:': {
    CreateUser: 'Creates a user.',
    GetUser: 'Shows a user.',
    DeleteUser: 'Deletes a user that has no policies and no access keys.',
    ListUsers: 'Lists users.',
    TagUser: 'Adds tags to a user, or changes them.',
    UntagUser: 'Removes tags from a user.',
    CreateRole: 'Creates a role.',
    GetRole: 'Shows a role and its trust policy.',
    DeleteRole: 'Deletes a role that has no policies.',
    ListRoles: 'Lists roles.',
    UpdateAssumeRolePolicy: 'Replaces the trust policy of a role: who may assume it.',
    TagRole: 'Adds tags to a role, or changes them.',
    UntagRole: 'Removes tags from a role.',
    CreatePolicy: 'Creates a managed policy.',
    GetPolicy: 'Shows a managed policy.',
    DeletePolicy: 'Deletes a managed policy that is attached to nobody.',
    ListPolicies: 'Lists managed policies.',
    AttachUserPolicy: 'Attaches a managed policy to a user.',
    DetachUserPolicy: 'Detaches a managed policy from a user.',
    AttachRolePolicy: 'Attaches a managed policy to a role.',
    DetachRolePolicy: 'Detaches a managed policy from a role.',
    ListAttachedUserPolicies: 'Lists the managed policies of a user.',
    ListAttachedRolePolicies: 'Lists the managed policies of a role.',
    PutUserPermissionsBoundary: 'Limits what policies can allow a user.',
    DeleteUserPermissionsBoundary: 'Removes the permissions boundary of a user.',
    PutRolePermissionsBoundary: 'Limits what policies can allow a role.',
    DeleteRolePermissionsBoundary: 'Removes the permissions boundary of a role.',
    CreateAccessKey: 'Creates an access key and shows its secret, once.',
    ListAccessKeys: 'Lists the access keys of a user.',
    UpdateAccessKey: 'Activates or deactivates an access key.',
    DeleteAccessKey: 'Deletes an access key.',
  },
  'Backup:': {
    ArchiveAuditLog: 'Moves old files of the audit log, compressed, to another folder.',
    CreateBackup: "Makes a backup of the daemon's home; keyhold backup fetches it, too.",
    ReadBackup: 'Returns a part of the last backup.',
  },
  'Sessions:': {
    AssumeRole: 'Returns temporary credentials of a role.',
    GetSessionToken: 'Returns temporary credentials of the caller.',
    GetCallerIdentity: 'Shows whose credentials these are.',
  },
  'The daemon:': {
    GetStatus: 'Shows how the daemon is: health, HSM workers, audit log, and what is due.',
    QueryAudit: 'Finds the newest records of the audit log that pass filters.',
  },
} as const satisfies Readonly<Record<string, Texts>>;

/** A heading of `keyhold --help`. */
export type OperationGroup = keyof typeof operationGroups;

/** Sentence and heading of each operation that has a command of its own. */
export const operationTexts: ReadonlyMap<string, { readonly text: string; readonly group: OperationGroup }> =
  new Map(
    (Object.entries(operationGroups) as [OperationGroup, Texts][]).flatMap(([group, texts]) =>
      Object.entries(texts).map(([name, text]) => [name, { text, group }] as const),
    ),
  );
