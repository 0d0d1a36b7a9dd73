// What a worker does for each kind of job.
import {
  HsmError,
  type Attributes,
  type Conversion,
  type ImportTarget,
  type KeyTemplate,
  type Wrapping,
} from '../key-store.js';
import type { JobName, ModuleQuirks } from '../messages.js';
import { createCiphers, type Cipher } from './ciphers/ciphers.js';
import { conversions } from './conversions.js';
import { generate, generateDataKeyPair, toTemplate } from './generation.js';
import { importMaterial, tellingUnusable } from './import/import-material.js';
import { deriveSharedSecret } from './key-agreement.js';
import { mechanismOf } from './mechanisms.js';
import type { IvSource } from './ciphers/iv-source.js';
import type { KeyObjects } from './objects.js';
import { toSubjectPublicKeyInfo } from './public-keys.js';
import type { Token } from './token.js';
import { openPlaintext, openWrapped, type Material } from './import/unwrapping.js';
import { verify } from './verification.js';

/** Gets a job's parts, returns the result's; both are wiped when the result is on its way. */
export type Handler = (...parts: Buffer[]) => readonly Buffer[];

/** Room for any signature or MAC: 512 bytes with RSA_4096. */
const LONGEST_SIGNATURE = 1024;

/** The handlers of a logged-in session, all but 'start'. */
export function createHandlers(
  token: Token,
  objects: KeyObjects,
  ivs: IvSource,
  quirks: ModuleQuirks,
): Readonly<Record<Exclude<JobName, 'start'>, Handler>> {
  const { module, session } = token;
  const ciphers = createCiphers(token, objects, ivs, quirks);
  const signature = Buffer.alloc(LONGEST_SIGNATURE);

  const cipherOf = (suite: Buffer): Cipher => {
    const cipher = ciphers.get(suite[0]);
    if (cipher === undefined) throw new HsmError('unsupported', `Cipher suite ${suite[0]}`);
    return cipher;
  };

  const random = (length: Buffer): Buffer =>
    module.C_GenerateRandom(session, Buffer.alloc(length.readUInt32LE(0)));

  const conversionOf = (name: Buffer) => conversions[name.toString('latin1') as Conversion];

  const templateOf = (json: Buffer) => JSON.parse(json.toString('utf8')) as KeyTemplate;

  const make: Handler = (id: Buffer, label: Buffer, template: Buffer) => {
    const wanted = templateOf(template);
    const made = generate(token, id, label, wanted);
    for (const handle of made) objects.add(handle);
    if (wanted.ofSession) objects.ownSession(id, made);
    return [];
  };

  const take = (material: Material, id: Buffer, label: Buffer, target: Buffer): Buffer[] => {
    try {
      const wanted = JSON.parse(target.toString()) as ImportTarget;
      const made = tellingUnusable(token, material, wanted, () =>
        importMaterial(token, material, id, label, wanted),
      );
      for (const handle of made.handles) objects.add(handle);
      return [made.checkValue, Buffer.of(material.leftHsm || made.leftHsm ? 1 : 0)];
    } finally {
      material.close();
    }
  };

  return {
    learn: () => {
      objects.learn();
      return [];
    },
    probe: () => {
      module.C_GenerateRandom(session, Buffer.alloc(8));
      return [];
    },
    forget: (id: Buffer) => {
      objects.forget(id.toString('latin1'));
      return [];
    },
    generateKey: make,
    generateKeyPair: make,
    importWrapped: (
      wrappingKey: Buffer,
      wrapping: Buffer,
      wrapped: Buffer,
      id: Buffer,
      label: Buffer,
      target: Buffer,
    ) => {
      const how = JSON.parse(wrapping.toString()) as Wrapping;
      return take(openWrapped(token, objects, wrappingKey, how, wrapped), id, label, target);
    },
    importPlaintext: (plaintext: Buffer, id: Buffer, label: Buffer, target: Buffer) =>
      take(openPlaintext(token, plaintext), id, label, target),
    destroy: (id: Buffer) => {
      objects.destroy(id);
      return [];
    },
    exists: (id: Buffer) => [Buffer.of(objects.exists(id) ? 1 : 0)],
    inspect: (match: Buffer, types: Buffer) => {
      const found = objects.inspect(
        toTemplate(JSON.parse(match.toString('utf8')) as Attributes),
        JSON.parse(types.toString('utf8')) as number[],
      );
      return [
        Buffer.from(
          JSON.stringify(found.map((one) => one.map(([type, value]) => [type, value.toString('hex')]))),
        ),
      ];
    },
    publicKey: (id: Buffer) => [objects.usePublic(id, (key) => toSubjectPublicKeyInfo(token, key))],
    random: (length: Buffer) => [random(length)],
    encrypt: (id: Buffer, suite: Buffer, aad: Buffer, plaintext: Buffer) =>
      cipherOf(suite).encrypt(id, aad, plaintext),
    decrypt: (id: Buffer, suite: Buffer, aad: Buffer, iv: Buffer, ciphertext: Buffer) => [
      cipherOf(suite).decrypt(id, aad, iv, ciphertext),
    ],
    reEncrypt: (id, suite, aad, iv, ciphertext, toId: Buffer, toSuite: Buffer, toAad: Buffer) => {
      const plaintext = cipherOf(suite).decrypt(id, aad, iv, ciphertext);
      return wiping(plaintext, () => cipherOf(toSuite).encrypt(toId, toAad, plaintext));
    },
    dataKey: (id: Buffer, suite: Buffer, aad: Buffer, length: Buffer) => {
      const plaintext = random(length);
      return [...cipherOf(suite).encrypt(id, aad, plaintext), plaintext];
    },
    dataKeyWithoutPlaintext: (id: Buffer, suite: Buffer, aad: Buffer, length: Buffer) => {
      const plaintext = random(length);
      return wiping(plaintext, () => cipherOf(suite).encrypt(id, aad, plaintext));
    },
    sign: (id: Buffer, mechanism: Buffer, conversion: Buffer, data: Buffer) => {
      const made = objects.use(id, (key) => {
        module.C_SignInit(session, mechanismOf(mechanism), key);
        return module.C_Sign(session, data, signature);
      });
      return [conversionOf(conversion).toApi(made)];
    },
    verify: (id: Buffer, mechanism: Buffer, conversion: Buffer, data: Buffer, given: Buffer) => {
      const converted = conversionOf(conversion).fromApi(given);
      const isRight =
        converted !== undefined &&
        objects.useVerifying(id, (key) => verify(token, key, mechanismOf(mechanism), data, converted));
      return [Buffer.of(isRight ? 1 : 0)];
    },
    readData: (label: Buffer) => objects.readData(label.toString()),
    replaceData: (label: Buffer, value: Buffer) => {
      objects.replaceData(label.toString(), value);
      return [];
    },
    deriveSharedSecret: (id: Buffer, point: Buffer) => [
      objects.use(id, (key) => deriveSharedSecret(token, key, point)),
    ],
    dataKeyPair: (id: Buffer, suite: Buffer, aad: Buffer, template: Buffer) => {
      const { publicKey, privateKey } = generateDataKeyPair(token, templateOf(template));
      try {
        return [...cipherOf(suite).encrypt(id, aad, privateKey), publicKey, privateKey];
      } catch (error) {
        privateKey.fill(0);
        throw error;
      }
    },
    dataKeyPairWithoutPlaintext: (id: Buffer, suite: Buffer, aad: Buffer, template: Buffer) => {
      const { publicKey, privateKey } = generateDataKeyPair(token, templateOf(template));
      return wiping(privateKey, () => [...cipherOf(suite).encrypt(id, aad, privateKey), publicKey]);
    },
  };
}

function wiping<T>(secret: Buffer, operation: () => T): T {
  try {
    return operation();
  } finally {
    secret.fill(0);
  }
}
