// The operations that jobs call in a worker.
import type { MaterialStatement, SentMaterial } from '../link-messages.js';
import type {
  Attributes,
  CipherKey,
  Conversion,
  ImportedMaterial,
  ImportTarget,
  KeyTemplate,
  Mechanism,
  Wrapping,
} from '../key-store.js';
import { materialStatement } from '../link-statements.js';
import type { ModuleQuirks } from '../module-quirks.js';
import type { Cipher } from './ciphers/cipher.js';
import { createCiphers } from './ciphers/ciphers.js';
import { conversions } from './conversions.js';
import { generate, generateDataKeyPair, toTemplate } from './generation.js';
import { distinguishUnusable, importMaterial } from './import/import-material.js';
import type { IvSource } from './ciphers/iv-source.js';
import { Encapsulation } from './encapsulation.js';
import { deriveSharedSecret } from './key-agreement.js';
import { toPkcs11Mechanism } from './mechanisms.js';
import type { KeyObjects } from './objects.js';
import { toSubjectPublicKeyInfo } from './public-keys.js';
import type { Token } from './token.js';
import { proveMaterial, signForLink, unwrapFromLink, wrapForLink } from './link-material.js';
import { type Material, openPlaintext, openWrapped } from './import/unwrapping.js';
import { verify } from './verification.js';

/** Length in bytes of a buffer for any signature or MAC; that of RSA_4096 has 512. */
const longestSignature = 1024;

/** The name of a key to create. */
interface NewKey {
  /** CKA_ID. */
  readonly id: Buffer;
  /** CKA_LABEL. */
  readonly label: string;
}

/** The one logged-in session of a worker. Results contain secrets, or are views of memory that the next call reuses. */
export class WorkerSession {
  /** The ciphers by suite. */
  readonly ciphers: Readonly<Record<CipherKey['suite'], Cipher>>;
  readonly #signature = Buffer.alloc(longestSignature);
  readonly #encapsulation: Encapsulation;

  constructor(
    readonly token: Token,
    readonly objects: KeyObjects,
    ivs: IvSource,
    quirks: ModuleQuirks,
  ) {
    this.ciphers = createCiphers(token, objects, ivs, quirks);
    this.#encapsulation = new Encapsulation(token, quirks.encapsulates ?? false);
  }

  /** Generates random bytes. @param length 1 to 1,024 bytes */
  random(length: number): Buffer {
    const { module, session } = this.token;
    return module.C_GenerateRandom(session, Buffer.alloc(length));
  }

  /** Generates a key or pair, and adds it to the index. */
  generate({ id, label, template }: NewKey & { readonly template: KeyTemplate }): void {
    const made = generate(this.token, id, Buffer.from(label), template);
    for (const handle of made) this.objects.add(handle);
    if (template.ofSession) this.objects.ownSession(id, made);
  }

  /** Generates a pair as session objects, reads it and destroys it. The caller wipes the private key. */
  generateDataKeyPair(template: KeyTemplate): { publicKey: Buffer; privateKey: Buffer } {
    return generateDataKeyPair(this.token, template);
  }

  /** As {@link KeyStore.importWrapped}. */
  importWrapped(
    wrappingKey: Buffer,
    wrapping: Wrapping,
    wrapped: Buffer,
    target: NewKey & { readonly target: ImportTarget },
  ): ImportedMaterial {
    return this.#import(openWrapped(this.token, this.objects, wrappingKey, wrapping, wrapped), target);
  }

  /** As {@link KeyStore.importPlaintext}. */
  importPlaintext(material: Buffer, target: NewKey & { readonly target: ImportTarget }): ImportedMaterial {
    return this.#import(openPlaintext(this.token, material), target);
  }

  #import(
    material: Material,
    { id, label, target }: NewKey & { readonly target: ImportTarget },
  ): ImportedMaterial {
    try {
      const made = distinguishUnusable(this.token, material, target, () =>
        importMaterial(this.token, material, id, Buffer.from(label), target),
      );
      for (const handle of made.handles) this.objects.add(handle);
      return { checkValue: made.checkValue, leftHsm: material.leftHsm || made.leftHsm };
    } finally {
      material.close();
    }
  }

  /** Wraps material for the peer of a link. The statement that is signed depends on what was wrapped. */
  wrapForLink(
    id: Buffer,
    keys: { readonly sendKey: Buffer; readonly signingKey: Buffer },
    target: ImportTarget,
    statement: MaterialStatement,
  ): SentMaterial {
    const made = wrapForLink(this.token, this.objects, id, keys.sendKey, target);
    const signed = materialStatement(statement, made);
    return { ...made, signature: signForLink(this.token, this.objects, keys.signingKey, signed) };
  }

  /** Unwraps material of the peer of a link, whose signature was verified. */
  unwrapFromLink(
    receiveKey: Buffer,
    { wrapped, checkValue }: Omit<SentMaterial, 'signature'>,
    { id, label, target }: NewKey & { readonly target: ImportTarget },
  ): void {
    const arrival = { id, label: Buffer.from(label), target, checkValue };
    for (const handle of unwrapFromLink(this.token, this.objects, receiveKey, wrapped, arrival))
      this.objects.add(handle);
  }

  /** As {@link KeyStore.proveMaterial}. */
  proveMaterial(id: Buffer, target: ImportTarget, challenge: Buffer): Buffer {
    return proveMaterial(this.token, this.objects, id, target, challenge);
  }

  /** Reads attributes of the objects that match; values in hex. */
  inspect(match: Attributes, types: readonly number[]): [type: number, value: string][][] {
    return this.objects
      .inspect(toTemplate(match), types)
      .map((values) => values.map(([type, value]) => [type, value.toString('hex')]));
  }

  /** Reads the public key of a pair: SubjectPublicKeyInfo in DER. */
  publicKey(id: Buffer): Buffer {
    return this.objects.usePublic(id, (key) => toSubjectPublicKeyInfo(this.token, key));
  }

  /** Makes a signature or MAC in the API's form. */
  sign(id: Buffer, mechanism: Mechanism, conversion: Conversion, data: Buffer): Buffer {
    const { module, session } = this.token;
    const made = this.objects.use(id, (key) => {
      module.C_SignInit(session, toPkcs11Mechanism(mechanism), key);
      return module.C_Sign(session, data, this.#signature);
    });
    return conversions[conversion].toApi(made);
  }

  /** Verifies a signature or MAC. */
  verify(id: Buffer, mechanism: Mechanism, conversion: Conversion, data: Buffer, signature: Buffer): boolean {
    const converted = conversions[conversion].fromApi(signature);
    if (converted === undefined) return false;
    return this.objects.useVerifying(id, (key) =>
      verify(this.token, key, toPkcs11Mechanism(mechanism), data, converted),
    );
  }

  /** Computes an ECDH shared secret; the caller wipes it. */
  deriveSharedSecret(id: Buffer, point: Buffer): Buffer {
    return this.objects.use(id, (key) => deriveSharedSecret(this.token, key, point));
  }

  /** Makes a shared secret, which the caller wipes, and its ciphertext. */
  encapsulate(id: Buffer, mechanism: Mechanism): { ciphertext: Buffer; secret: Buffer } {
    return this.objects.usePublic(id, (key) => this.#encapsulation.encapsulate(key, mechanism));
  }

  /** Recovers a shared secret; the caller wipes it. NSS 3.125 fails as if the device had failed when it copies such a key. */
  decapsulate(id: Buffer, mechanism: Mechanism, ciphertext: Buffer): Buffer {
    return this.objects.useOriginal(id, (key) => this.#encapsulation.decapsulate(key, mechanism, ciphertext));
  }
}
