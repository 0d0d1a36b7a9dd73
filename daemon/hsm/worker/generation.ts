// Generation of keys, and the templates of their objects.
import pkcs11, { type Attribute, type Handle } from 'pkcs11js';
import { type Attributes, HsmError, type KeyTemplate } from '../key-store.js';
import { toPkcs8 } from './private-keys.js';
import { toSubjectPublicKeyInfo } from './public-keys.js';
import type { Token } from './token.js';

/**
 * Generates a key, or a pair if the template has public attributes. The attributes that every object of Keyhold has
 * override those of the template. CKA_MODIFIABLE stays true, because SoftHSM does not copy an object whose CKA_MODIFIABLE is
 * false.
 * @param id CKA_ID, 16 bytes
 * @param label CKA_LABEL in UTF-8
 * @returns the handles; of a pair first the private key
 */
export function generate(token: Token, id: Buffer, label: Buffer, template: KeyTemplate): Handle[] {
  const { module, session } = token;
  const { macKey, publicAttributes, ofSession, multiRegion } = template;
  if (macKey && multiRegion)
    throw new HsmError(
      'unsupported',
      'Keys of AES_256_CBC_HMAC_SHA_256 consist of two objects and cannot be multi-Region keys.',
    );
  const mechanism = { mechanism: template.mechanism };
  const place = { type: pkcs11.CKA_TOKEN, value: !ofSession };
  const secret = merge(permitted(token, template.attributes), [
    ...promisedOfSecret(id, label, template),
    place,
  ]);
  if (publicAttributes === undefined) {
    const key = module.C_GenerateKey(session, mechanism, secret);
    if (macKey === undefined) return [key];
    try {
      return [key, ...generate(token, id, label, { ...macKey, ofSession })];
    } catch (error) {
      module.C_DestroyObject(session, key);
      throw error;
    }
  }
  const open = merge(permitted(token, publicAttributes), [...promisedOfPublic(id, label), place]);
  const pair = module.C_GenerateKeyPair(session, mechanism, open, secret);
  return [pair.privateKey, pair.publicKey];
}

/** Removes the attributes that the module accepts in no template. */
function permitted({ omittedAttributes }: Token, attributes: Attributes): Attributes {
  return attributes.filter(([type]) => !omittedAttributes.has(type));
}

/** The attributes of every secret and private key of Keyhold. */
export function promisedOfSecret(
  id: Buffer,
  label: Buffer,
  { multiRegion = false }: Pick<KeyTemplate, 'multiRegion'>,
): Attribute[] {
  return [
    ...named(id, label),
    { type: pkcs11.CKA_PRIVATE, value: true },
    { type: pkcs11.CKA_SENSITIVE, value: true },
    { type: pkcs11.CKA_EXTRACTABLE, value: multiRegion },
    ...(multiRegion ? [{ type: pkcs11.CKA_WRAP_WITH_TRUSTED, value: true }] : []),
  ];
}

/** The attributes of every public key of Keyhold. */
export function promisedOfPublic(id: Buffer, label: Buffer): Attribute[] {
  return [...named(id, label), { type: pkcs11.CKA_PRIVATE, value: false }];
}

function named(id: Buffer, label: Buffer): Attribute[] {
  return [
    { type: pkcs11.CKA_TOKEN, value: true },
    { type: pkcs11.CKA_ID, value: id },
    { type: pkcs11.CKA_LABEL, value: label },
  ];
}

/**
 * Generates a pair for use outside the HSM, as session objects that are read and destroyed at once.
 * @returns SubjectPublicKeyInfo, and PKCS #8 that the caller wipes, both in DER
 */
export function generateDataKeyPair(
  token: Token,
  template: KeyTemplate,
): { publicKey: Buffer; privateKey: Buffer } {
  const { module, session } = token;
  const ofSession = { type: pkcs11.CKA_TOKEN, value: false };
  const pair = module.C_GenerateKeyPair(
    session,
    { mechanism: template.mechanism },
    merge(permitted(token, template.publicAttributes ?? []), [
      ofSession,
      { type: pkcs11.CKA_PRIVATE, value: false },
    ]),
    merge(permitted(token, template.attributes), [
      ofSession,
      { type: pkcs11.CKA_PRIVATE, value: true },
      { type: pkcs11.CKA_SENSITIVE, value: false },
      { type: pkcs11.CKA_EXTRACTABLE, value: true },
    ]),
  );
  try {
    const publicKey = toSubjectPublicKeyInfo(token, pair.publicKey);
    return { publicKey, privateKey: toPkcs8(token, pair.privateKey, publicKey) };
  } finally {
    module.C_DestroyObject(session, pair.privateKey);
    module.C_DestroyObject(session, pair.publicKey);
  }
}

/** Converts attributes to pkcs11js's form. */
export function toTemplate(attributes: Attributes): Attribute[] {
  return attributes.map(([type, value]) => ({
    type,
    value: typeof value === 'string' ? Buffer.from(value, 'hex') : value,
  }));
}

/** Merges the attributes of a template with others that override them. */
export function merge(given: Attributes, promised: Attribute[]): Attribute[] {
  const byType = new Map<number, Attribute>();
  for (const attribute of toTemplate(given)) byType.set(attribute.type, attribute);
  for (const attribute of promised) byType.set(attribute.type, attribute);
  return [...byType.values()];
}
