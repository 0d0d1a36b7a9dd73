// The operations of a grant and its encryption-context constraints (AWS KMS API Reference, "GrantConstraints").
import { KeyError } from '../errors.js';
import type {
  GrantConstraints,
  GrantOperation,
  KeyUsageType,
  StringMap,
} from '../../../proto/generated/messages.js';
import type { KeyRecord } from '../record.js';

/** The types of constraints. */
export const constraintTypes = ['EncryptionContextEquals', 'EncryptionContextSubset'] as const;

/** Pairs of an encryption context, sorted by their keys. */
export type ContextPairs = readonly (readonly [key: string, value: string])[];

/** An encryption-context constraint of a grant. */
export interface Constraint {
  readonly type: (typeof constraintTypes)[number];
  /** At least one pair. */
  readonly pairs: ContextPairs;
}

/** The permissions of a grant. */
export interface Permissions {
  readonly operations: readonly GrantOperation[];
  readonly constraint?: Constraint | undefined;
}

/** Operations that grants of every key may allow. */
const ofEveryKey: readonly GrantOperation[] = ['CreateGrant', 'RetireGrant', 'DescribeKey'];

/** Operations with an encryption context, to which constraints apply. */
const withContext: readonly GrantOperation[] = [
  'Decrypt',
  'Encrypt',
  'GenerateDataKey',
  'GenerateDataKeyPair',
  'GenerateDataKeyPairWithoutPlaintext',
  'GenerateDataKeyWithoutPlaintext',
  'ReEncryptFrom',
  'ReEncryptTo',
];

/** Further operations that grants may allow, by key usage. */
const ofUsage: Readonly<Record<KeyUsageType, readonly GrantOperation[]>> = {
  ENCRYPT_DECRYPT: ['Decrypt', 'Encrypt', 'GetPublicKey', 'ReEncryptFrom', 'ReEncryptTo'],
  SIGN_VERIFY: ['GetPublicKey', 'Sign', 'Verify'],
  GENERATE_VERIFY_MAC: ['GenerateMac', 'VerifyMac'],
  KEY_AGREEMENT: ['DeriveSharedSecret', 'GetPublicKey'],
  ENCAPSULATE_DECAPSULATE: ['Decapsulate', 'Encapsulate', 'GetPublicKey'],
};

/** Limits of one constraint; the characters are those of all keys and values together. */
const maxPairs = 8;
const maxCharacters = 384;

const contextual: ReadonlySet<string> = new Set(withContext);

/** Whether an operation has an encryption context. @param operation as CreateGrant names it */
export function takesContext(operation: string): boolean {
  return contextual.has(operation);
}

/** Checks the operations of a grant. @throws KeyError (invalid-request) if the key does not have one of them */
export function checkOperations(operations: readonly GrantOperation[], key: KeyRecord): void {
  const { keySpec, keyUsage } = key;
  const own = keySpec === 'SYMMETRIC_DEFAULT' ? withContext : ofUsage[keyUsage];
  const wrong = operations.filter((name) => !own.includes(name) && !ofEveryKey.includes(name));
  if (wrong.length === 0) return;
  const kind = own.includes('GetPublicKey') ? 'an asymmetric' : 'a symmetric';
  throw new KeyError(
    'invalid-request',
    `Operations [${wrong.join(', ')}] are not supported when creating a grant for ${kind} KMS key with key usage ` +
      `${keyUsage}. Valid operations are [${[...ofEveryKey, ...own].join(', ')}]`,
  );
}

/**
 * Returns the constraints of a request, whether or not the key supports them. An empty one counts only if there is no other,
 * because Terraform sends an empty one for the type that it does not use.
 */
export function suppliedConstraints(given: GrantConstraints | undefined): readonly Constraint[] {
  const contexts = [
    ['EncryptionContextEquals', given?.encryptionContextEquals],
    ['EncryptionContextSubset', given?.encryptionContextSubset],
  ] as const;
  const present = contexts.flatMap(([type, context]) => (context ? [{ type, pairs: pairsOf(context) }] : []));
  const filled = present.filter(({ pairs }) => pairs.length > 0);
  return filled.length > 0 ? filled : present.slice(0, 1);
}

/**
 * Reads the constraints of a request.
 * @returns undefined if there are none
 * @throws KeyError (invalid-request) if there are two, or the constraint is empty, too long, or not possible for the key
 * @throws KeyError (unsupported-operation) for a SourceArn
 */
export function constraintOf(given: GrantConstraints | undefined, key: KeyRecord): Constraint | undefined {
  if (given?.sourceArn !== undefined) {
    throw new KeyError(
      'unsupported-operation',
      'The grant constraint SourceArn is for requests on behalf of AWS resources, of which Keyhold has none: leave it out.',
    );
  }
  const [first, second] = suppliedConstraints(given);
  if (!first) return undefined;
  if (second) throw invalid('More than one constraint supplied');
  if (key.keySpec !== 'SYMMETRIC_DEFAULT') {
    throw invalid(
      'EncryptionContext is supported only when creating a grant for a symmetric encryption KMS key.',
    );
  }
  const { pairs } = first;
  const characters = pairs.reduce((sum, [name, value]) => sum + name.length + value.length, 0);
  if (pairs.length === 0) throw invalid(`${first.type} is empty: give its pairs, or leave it out.`);
  if (pairs.length > maxPairs || characters > maxCharacters) {
    throw invalid(
      `${first.type} has ${pairs.length} pairs with ${characters} characters of keys and values; at most ${maxPairs} ` +
        `pairs with ${maxCharacters} characters are allowed.`,
    );
  }
  return { type: first.type, pairs };
}

/** Returns the pairs of a constraint as an encryption context. */
export function contextOf({ pairs }: Constraint): StringMap {
  const context = Object.create(null) as StringMap;
  for (const [name, value] of pairs) context[name] = value;
  return context;
}

/** Converts a constraint to the form of requests and responses. */
export function constraintsMessage(constraint: Constraint): GrantConstraints {
  const context = contextOf(constraint);
  return constraint.type === 'EncryptionContextEquals'
    ? { encryptionContextEquals: context }
    : { encryptionContextSubset: context };
}

/** Returns the pairs of an encryption context, sorted by their keys. */
export function pairsOf(context: StringMap): ContextPairs {
  return Object.entries(context).sort(([a], [b]) => (a < b ? -1 : 1));
}

/** Whether an encryption context contains all pairs. */
export function includesAll(context: StringMap, pairs: ContextPairs): boolean {
  return pairs.every(([name, value]) => Object.hasOwn(context, name) && context[name] === value);
}

/**
 * Whether the grantee of a grant with CreateGrant may create a child grant: it may have no other operations, and its
 * constraint must be at least as strict.
 */
export function covers(parent: Permissions, child: Permissions): boolean {
  return (
    child.operations.every((name) => parent.operations.includes(name)) &&
    (parent.constraint === undefined ||
      (child.constraint !== undefined && isAsStrict(child.constraint, parent.constraint)))
  );
}

function isAsStrict(child: Constraint, parent: Constraint): boolean {
  if (!includesAll(contextOf(child), parent.pairs)) return false;
  if (parent.type === 'EncryptionContextSubset') return true;
  return child.type === 'EncryptionContextEquals' && child.pairs.length === parent.pairs.length;
}

function invalid(message: string) {
  return new KeyError('invalid-request', message);
}
