// The algorithms of a key according to the table of key specs, and the errors for those that it does not have.
import { shapeByName } from '../../../proto/schema/descriptor.js';
import { KeyError } from '../errors.js';
import type { CustomerMasterKeySpec, KeyMetadata, KeySpec } from '../../../proto/generated/messages.js';
import type { Mechanism } from '../../hsm/key-store.js';
import type { Key } from '../key.js';
import { keySpecs, type KeyUsageEntry } from './table.js';
import type {
  EncapsulationAlgorithm,
  EncryptionAlgorithm,
  KeyAgreementAlgorithm,
  SigningAlgorithm,
} from './entry.js';

interface Entries {
  readonly encryption: EncryptionAlgorithm;
  readonly signing: SigningAlgorithm;
  readonly mac: Mechanism;
  readonly keyAgreement: KeyAgreementAlgorithm;
  readonly encapsulation: EncapsulationAlgorithm;
}

/** Returns the table's entry for a key's spec and usage. */
export function usageOf({ record }: Key): KeyUsageEntry {
  const entry = keySpecs[record.keySpec].usages[record.keyUsage];
  if (entry === undefined) throw new Error(`${record.keySpec} has no usage ${record.keyUsage}`);
  return entry;
}

/**
 * Returns the table's entry for an algorithm that a request names.
 * @throws KeyError (invalid-key-usage) if the key does not have it; KeyError (unsupported-operation) if Keyhold does not
 */
export function algorithmOf<Family extends keyof Entries>(
  key: Key,
  family: Family,
  name: keyof NonNullable<KeyUsageEntry[Family]> & string,
): Entries[Family] {
  const usage = usageOf(key);
  const entries = usage[family] as Readonly<Partial<Record<string, Entries[Family]>>> | undefined;
  const entry = entries?.[name];
  if (entry !== undefined) return entry;
  const reason = (usage.unsupported as Readonly<Record<string, string | undefined>> | undefined)?.[name];
  if (reason !== undefined)
    throw new KeyError('unsupported-operation', `${name} is not available: ${reason}.`);
  throw new KeyError(
    'invalid-key-usage',
    `Algorithm ${name} is incompatible with key spec ${key.record.keySpec}.`,
  );
}

type AlgorithmLists = Pick<
  KeyMetadata,
  | 'encryptionAlgorithms'
  | 'signingAlgorithms'
  | 'macAlgorithms'
  | 'keyAgreementAlgorithms'
  | 'encapsulationAlgorithms'
>;

/** Returns the algorithms of a key by family; undefined for families that it does not have. */
export function algorithmsOf(key: Key): AlgorithmLists {
  const { encryption, signing, mac, keyAgreement, encapsulation } = usageOf(key);
  return {
    encryptionAlgorithms: names(encryption),
    signingAlgorithms: names(signing),
    macAlgorithms: names(mac),
    keyAgreementAlgorithms: names(keyAgreement),
    encapsulationAlgorithms: names(encapsulation),
  };
}

function names<Name extends string>(algorithms: Readonly<Partial<Record<Name, unknown>>> | undefined) {
  return algorithms && (Object.keys(algorithms) as Name[]);
}

const oldSpecs = shapeByName.get('CreateKey')?.request.byName.get('customerMasterKeySpec')?.numbers;

/** Returns the value of the deprecated CustomerMasterKeySpec, which AWS KMS still sends; newer specs have none. */
export function customerMasterKeySpec(spec: KeySpec): CustomerMasterKeySpec | undefined {
  return oldSpecs?.has(spec) ? (spec as CustomerMasterKeySpec) : undefined;
}
