// Requests with two faults: which one is reported, in AWS KMS's order and words.
import { randomUUID } from 'node:crypto';
import t from 'tap';
import type { Client } from '../../../client/index.js';
import { type KeyUsageType, type KeySpec } from '../../../proto/generated/messages.js';
import { TestDaemon } from '../../support/daemon.js';

type Request = Record<string, unknown>;

/** Faults of a request. */
type Fault =
  | 'shape'
  | 'grant token'
  | 'no such key'
  | 'no permission'
  | 'state'
  | 'ciphertext'
  | 'usage'
  | 'algorithm'
  | 'parameter'
  | 'dry run';

/** The error of one fault alone: code and message, with KEY for the key's ARN. */
type Answer = readonly [code: string, message: string | RegExp];

interface Row {
  /** Spec and usage of the key that the operation takes, and of one that it does not. */
  readonly right: Kind;
  readonly wrong: Kind;
  /** The member with the key ID. */
  readonly field?: string;
  readonly request: Request;
  /** Members that give a request a fault. */
  readonly faults: Readonly<Partial<Record<Fault, Request>>>;
  readonly answers: Readonly<Partial<Record<Fault, Answer>>>;
}

type Kind = readonly [KeySpec, KeyUsageType];

const symmetric: Kind = ['SYMMETRIC_DEFAULT', 'ENCRYPT_DECRYPT'];
const rsa: Kind = ['RSA_2048', 'ENCRYPT_DECRYPT'];
const signing: Kind = ['ECC_NIST_P256', 'SIGN_VERIFY'];
const agreement: Kind = ['ECC_NIST_P256', 'KEY_AGREEMENT'];
const mac: Kind = ['HMAC_256', 'GENERATE_VERIFY_MAC'];

const order: readonly Fault[] = [
  'shape',
  'grant token',
  'no such key',
  'no permission',
  'state',
  'ciphertext',
  'usage',
  'algorithm',
  'parameter',
  'dry run',
];

const everywhere: Readonly<Partial<Record<Fault, Answer>>> = {
  'grant token': ['InvalidGrantTokenException', /./],
  'no such key': ['NotFoundException', /^Key 'arn:aws:kms:\S+' does not exist$/],
  'no permission': [
    'AccessDeniedException',
    /^User: \S+ is not authorized to perform: kms:\w+ on resource: KEY/,
  ],
  state: ['DisabledException', 'KEY is disabled.'],
  'dry run': ['DryRunOperationException', 'The request would have succeeded, but the DryRun option is set.'],
};

const tooLong = (field: string): Answer => [
  'ValidationException',
  `1 validation error detected: Value at '${field}' failed to satisfy constraint: Member must have length less than or equal to 4096`,
];
const usage = (name: string, [, keyUsage]: Kind): Answer => [
  'InvalidKeyUsageException',
  `KEY key usage is ${keyUsage} which is not valid for ${name}.`,
];
const incompatible = (algorithm: string, [keySpec]: Kind): Answer => [
  'InvalidKeyUsageException',
  `Algorithm ${algorithm} is incompatible with key spec ${keySpec}.`,
];
const emptyValue = (field: string): Answer => [
  'ValidationException',
  `1 validation error detected: Value at '${field}' failed to satisfy constraint: Member must have length greater than or equal to 1`,
];
const incorrectKey: Answer = [
  'IncorrectKeyException',
  'The key ID in the request does not identify a CMK that can perform this operation.',
];
const long = Buffer.alloc(4_097);
const eitherLength: Answer = ['ValidationException', 'Please specify either number of bytes or key spec.'];

/** @param blob a ciphertext of the right key */
const table = (blob: Uint8Array, other: string): Readonly<Record<string, Row>> => ({
  Encrypt: {
    right: rsa,
    wrong: mac,
    request: { plaintext: Buffer.from('x'), encryptionAlgorithm: 'RSAES_OAEP_SHA_256' },
    faults: {
      shape: { plaintext: long },
      algorithm: { encryptionAlgorithm: undefined },
      parameter: { plaintext: Buffer.alloc(191) },
    },
    answers: {
      shape: tooLong('plaintext'),
      usage: usage('Encrypt', mac),
      algorithm: incompatible('SYMMETRIC_DEFAULT', rsa),
      parameter: [
        'ValidationException',
        'Algorithm RSAES_OAEP_SHA_256 and key spec RSA_2048 cannot encrypt data larger than 190 bytes.',
      ],
    },
  },
  Decrypt: {
    right: symmetric,
    wrong: mac,
    request: { ciphertextBlob: blob },
    faults: {
      shape: { ciphertextBlob: Buffer.alloc(0) },
      ciphertext: { ciphertextBlob: Buffer.from('no ciphertext of any key') },
      parameter: { encryptionContext: { not: 'the one' } },
    },
    answers: {
      shape: emptyValue('ciphertextBlob'),
      ciphertext: ['InvalidCiphertextException', ''],
      usage: incorrectKey,
      parameter: ['InvalidCiphertextException', ''],
    },
  },
  ReEncrypt: {
    right: symmetric,
    wrong: signing,
    field: 'sourceKeyId',
    request: { ciphertextBlob: blob, destinationKeyId: other },
    faults: {
      shape: { ciphertextBlob: Buffer.alloc(0) },
      ciphertext: { ciphertextBlob: Buffer.from('no ciphertext of any key') },
      algorithm: { destinationEncryptionAlgorithm: 'RSAES_OAEP_SHA_256' },
      parameter: { sourceEncryptionContext: { not: 'the one' } },
    },
    answers: {
      shape: emptyValue('ciphertextBlob'),
      ciphertext: ['InvalidCiphertextException', ''],
      usage: incorrectKey,
      algorithm: incompatible('RSAES_OAEP_SHA_256', symmetric),
      parameter: ['InvalidCiphertextException', ''],
    },
  },
  GenerateDataKey: {
    right: symmetric,
    wrong: mac,
    request: { keySpec: 'AES_256' },
    faults: { shape: { numberOfBytes: 1_025 }, parameter: { numberOfBytes: 32 } },
    answers: {
      shape: [
        'ValidationException',
        "1 validation error detected: Value '1025' at 'numberOfBytes' failed to satisfy constraint: Member must have value less than or equal to 1024",
      ],
      usage: usage('GenerateDataKey', mac),
      parameter: eitherLength,
    },
  },
  GenerateDataKeyWithoutPlaintext: {
    right: symmetric,
    wrong: signing,
    request: { keySpec: 'AES_256' },
    faults: { parameter: { numberOfBytes: 32 } },
    answers: { usage: usage('GenerateDataKeyWithoutPlaintext', signing), parameter: eitherLength },
  },
  GenerateDataKeyPair: {
    right: symmetric,
    wrong: rsa,
    request: { keyPairSpec: 'ECC_NIST_P256' },
    faults: {},
    answers: {
      usage: ['InvalidKeyUsageException', 'You cannot generate a data key pair with an asymmetric CMK'],
    },
  },
  GenerateDataKeyPairWithoutPlaintext: {
    right: symmetric,
    wrong: mac,
    request: { keyPairSpec: 'ECC_NIST_P256' },
    faults: {},
    answers: { usage: usage('GenerateDataKeyPairWithoutPlaintext', mac) },
  },
  Sign: {
    right: signing,
    wrong: agreement,
    request: { message: Buffer.from('x'), signingAlgorithm: 'ECDSA_SHA_256' },
    faults: {
      shape: { message: long },
      algorithm: { signingAlgorithm: 'RSASSA_PSS_SHA_256' },
      parameter: { messageType: 'DIGEST' },
    },
    answers: {
      shape: tooLong('message'),
      usage: usage('Sign', agreement),
      algorithm: incompatible('RSASSA_PSS_SHA_256', signing),
      parameter: [
        'ValidationException',
        /^Digest is invalid length for algorithm (ECDSA|RSASSA_PSS)_SHA_256\.$/,
      ],
    },
  },
  Verify: {
    right: signing,
    wrong: symmetric,
    request: { message: Buffer.from('x'), signingAlgorithm: 'ECDSA_SHA_256', signature: Buffer.alloc(70) },
    faults: {
      shape: { message: long },
      algorithm: { signingAlgorithm: 'ECDSA_SHA_384' },
      parameter: {},
    },
    answers: {
      shape: tooLong('message'),
      usage: usage('Verify', symmetric),
      algorithm: incompatible('ECDSA_SHA_384', signing),
      parameter: ['KMSInvalidSignatureException', ''],
    },
  },
  GenerateMac: {
    right: mac,
    wrong: symmetric,
    request: { message: Buffer.from('x'), macAlgorithm: 'HMAC_SHA_256' },
    faults: { shape: { message: long }, algorithm: { macAlgorithm: 'HMAC_SHA_512' } },
    answers: {
      shape: tooLong('message'),
      usage: usage('GenerateMac', symmetric),
      algorithm: incompatible('HMAC_SHA_512', mac),
    },
  },
  VerifyMac: {
    right: mac,
    wrong: symmetric,
    request: { message: Buffer.from('x'), macAlgorithm: 'HMAC_SHA_256', mac: Buffer.alloc(32) },
    faults: { shape: { message: long }, algorithm: { macAlgorithm: 'HMAC_SHA_512' }, parameter: {} },
    answers: {
      shape: tooLong('message'),
      usage: usage('VerifyMac', symmetric),
      algorithm: incompatible('HMAC_SHA_512', mac),
      parameter: ['KMSInvalidMacException', ''],
    },
  },
  DeriveSharedSecret: {
    right: agreement,
    wrong: signing,
    request: { keyAgreementAlgorithm: 'ECDH', publicKey: Buffer.from('no public key') },
    faults: { parameter: {} },
    answers: {
      usage: usage('DeriveSharedSecret', signing),
      parameter: ['ValidationException', ''],
    },
  },
});

void t.test('of two faults the first in AWS KMS’s order is reported', async (t) => {
  const daemon = await TestDaemon.start(t);
  const root = await daemon.connect();
  await root.createUser({ userName: 'stranger' });
  const { accessKeyId = '', secretAccessKey = '' } = (await root.createAccessKey({ userName: 'stranger' }))
    .accessKey;
  const stranger = await daemon.connect({ credentials: { accessKeyId, secretAccessKey } });
  t.teardown(() => Promise.all([root.close(), stranger.close()]));

  /** Two keys of each kind, the second of which is disabled. */
  const keys = new Map<Kind, readonly [string, string]>();
  for (const kind of [symmetric, rsa, signing, agreement, mac]) {
    const [keySpec, keyUsage] = kind;
    const make = async () => (await root.createKey({ keySpec, keyUsage })).keyMetadata.keyId;
    keys.set(kind, [await make(), await make()]);
  }
  const plaintext = Buffer.from('x');
  const [usable] = keys.get(symmetric)!;
  const blob = (await root.encrypt({ keyId: usable, plaintext })).ciphertextBlob;
  for (const [, keyId] of keys.values()) await root.disableKey({ keyId });

  const rows = table(blob, usable);
  for (const [name, row] of Object.entries(rows)) {
    await t.test(name, async (t) => {
      const answers = { ...everywhere, ...row.answers };
      const always = row.faults.parameter && Object.keys(row.faults.parameter).length === 0;
      const possible = order.filter((fault) => {
        if (fault === 'shape' || fault === 'ciphertext' || fault === 'algorithm' || fault === 'parameter')
          return row.faults[fault] !== undefined;
        return true;
      });
      const ask = (...faults: Fault[]) => {
        const has = (fault: Fault) => faults.includes(fault);
        const pair = keys.get(has('usage') ? row.wrong : row.right)!;
        const keyId = has('no such key') ? randomUUID() : pair[has('state') ? 1 : 0];
        const request: Request = { ...row.request, [row.field ?? 'keyId']: keyId };
        for (const fault of faults.toReversed()) Object.assign(request, row.faults[fault]);
        if (has('grant token')) request.grantTokens = ['none'];
        if (has('dry run')) request.dryRun = true;
        return outcome(has('no permission') ? stranger : root, name, request, keyId);
      };
      for (const [index, first] of possible.entries()) {
        // If the request has this fault anyway, later faults cannot be observed.
        if (always && first === 'dry run') continue;
        const [code, message] = answers[first]!;
        for (const second of [undefined, ...possible.slice(index + 1)]) {
          if (first === 'no such key' && (second === 'state' || second === 'usage')) continue;
          const got = await ask(first, ...(second ? [second] : []));
          t.match(got, { code, message }, second ? `${first} before ${second}` : `${first} alone`);
        }
      }
    });
  }
});

async function outcome(client: Client, name: string, request: Request, keyId: string) {
  const methods = client as unknown as Record<string, (request: object) => Promise<unknown>>;
  try {
    await methods[`${name[0]!.toLowerCase()}${name.slice(1)}`]!(request);
    return { code: 'ok', message: '' };
  } catch (error) {
    const { code, message } = error as { code: string; message: string };
    const arn = `arn:aws:kms:us-east-1:000000000000:key/${keyId}`;
    return { code, message: code === 'NotFoundException' ? message : message.replaceAll(arn, 'KEY') };
  }
}
