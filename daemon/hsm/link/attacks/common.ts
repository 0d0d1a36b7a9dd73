// Sources, return values and calls that attacks share.
import pkcs11, { type Attribute, type Handle } from 'pkcs11js';
import type { Range } from './attack.js';

/** Where attacks were described. */
export const sources = {
  clulow: 'Clulow 2003',
  delaune: 'Delaune, Kremer, Steel 2010',
  tookan: 'Tookan 2010',
  bardou: 'Bardou et al. 2012',
  links: 'links of Keyhold',
} as const;

/** Return values that refuse, by short names. */
export const refusals = {
  /** CKR_ACTION_PROHIBITED of PKCS #11 v2.40, which pkcs11js does not name. */
  actionProhibited: 0x1b,
  readOnly: pkcs11.CKR_ATTRIBUTE_READ_ONLY,
  sensitive: pkcs11.CKR_ATTRIBUTE_SENSITIVE,
  notPermitted: pkcs11.CKR_KEY_FUNCTION_NOT_PERMITTED,
  notWrappable: pkcs11.CKR_KEY_NOT_WRAPPABLE,
  unextractable: pkcs11.CKR_KEY_UNEXTRACTABLE,
  mechanismInvalid: pkcs11.CKR_MECHANISM_INVALID,
  inconsistent: pkcs11.CKR_TEMPLATE_INCONSISTENT,
} as const;

/** A true attribute. */
export const truth = (type: number): Attribute => ({ type, value: true });
/** A false attribute. */
export const lie = (type: number): Attribute => ({ type, value: false });
/** An IV of AES. */
export const oneBlock = Buffer.alloc(16);

/** C_SetAttributeValue. */
export function set({ opened }: Range, key: Handle, attribute: Attribute): void {
  opened.module.C_SetAttributeValue(opened.session, key, [attribute]);
}

/** C_CopyObject to a session object. */
export function copy({ opened }: Range, key: Handle, ...attributes: Attribute[]): Handle {
  return opened.module.C_CopyObject(opened.session, key, [lie(pkcs11.CKA_TOKEN), ...attributes]);
}
