// Converts distinguished names to text (RFC 4514, section 2).
import { AsnConvert } from '@peculiar/asn1-schema';
import { AttributeTypeAndValue, type Name } from '@peculiar/asn1-x509';

/** Short names of attribute types: those of RFC 4514, section 3, and others that are common in certificates. */
const shortNames: Readonly<Record<string, string>> = {
  '2.5.4.3': 'CN',
  '2.5.4.7': 'L',
  '2.5.4.8': 'ST',
  '2.5.4.10': 'O',
  '2.5.4.11': 'OU',
  '2.5.4.6': 'C',
  '2.5.4.9': 'street',
  '0.9.2342.19200300.100.1.25': 'DC',
  '0.9.2342.19200300.100.1.1': 'UID',
  '2.5.4.4': 'SN',
  '2.5.4.5': 'serialNumber',
  '2.5.4.12': 'title',
  '2.5.4.42': 'GN',
  '1.2.840.113549.1.9.1': 'emailAddress',
};

/**
 * Converts a name to the form that `openssl x509 -noout -subject -nameopt RFC2253,-esc_msb` prints: the last part first,
 * parts separated by commas. Different names never have the same text.
 */
export function nameText(name: Name): string {
  const parts = [...name].reverse();
  return parts.map((part) => [...part].reverse().map(attributeText).join('+')).join(',');
}

function attributeText(attribute: AttributeTypeAndValue): string {
  const { type, value } = attribute;
  const shortName = shortNames[type];
  const text =
    value.utf8String ?? value.printableString ?? value.ia5String ?? value.bmpString ?? value.teletexString;
  if (shortName !== undefined && text !== undefined) return `${shortName}=${escaped(text)}`;
  // The DER of a value that has no text, or whose type has no name (section 2.4).
  const der = Buffer.from(AsnConvert.serialize(value)).toString('hex').toUpperCase();
  return `${shortName ?? type}=#${der}`;
}

/** Escapes special characters (section 2.4). */
function escaped(value: string): string {
  return value
    .replace(/["+,;<>\\]/g, '\\$&')
    .replaceAll('\0', '\\00')
    .replace(/^[ #]| $/g, '\\$&');
}
