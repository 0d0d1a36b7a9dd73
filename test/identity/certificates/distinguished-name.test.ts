import assert from 'node:assert/strict';
import { AsnConvert } from '@peculiar/asn1-schema';
import {
  AttributeTypeAndValue,
  AttributeValue,
  Certificate,
  Name,
  RelativeDistinguishedName,
} from '@peculiar/asn1-x509';
import fc from 'fast-check';
import t from 'tap';
import { nameText } from '../../../daemon/identity/certificates/distinguished-name.js';
import { openssl } from '../../support/certificates/openssl.js';

const commonName = '2.5.4.3';

function name(...parts: (readonly [type: string, value: string])[][]): Name {
  return new Name(
    parts.map(
      (part) =>
        new RelativeDistinguishedName(
          part.map(
            ([type, utf8String]) =>
              new AttributeTypeAndValue({ type, value: new AttributeValue({ utf8String }) }),
          ),
        ),
    ),
  );
}

void t.test('a subject reads as openssl prints it', (t) => {
  const subjects = [
    '/C=CH/O=Example, Inc./OU=a+b/CN=app "one"',
    '/DC=org/DC=example/UID=x/CN= lead and trail ',
    '/CN=#1/O=a\\\\b;<c>',
    '/O=Zürich/CN=ключ',
    '/SN=Doe/GN=J/title=Dr/serialNumber=7/emailAddress=a@b.example/street=x/ST=y/L=z',
    '/O=one+OU=two/CN=several in one',
  ];
  for (const subject of subjects) {
    const create = [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-utf8',
    ];
    const pem = openssl([...create, '-multivalue-rdn', '-subj', subject, '-keyout', '/dev/null'], {});
    const print = ['x509', '-noout', '-subject', '-nameopt', 'RFC2253,-esc_msb', '-in', 'certificate'];
    const printed = openssl(print, { certificate: pem }).toString();
    const der = openssl(['x509', '-outform', 'DER', '-in', 'certificate'], { certificate: pem });
    const parsed = AsnConvert.parse(der, Certificate).tbsCertificate.subject;
    t.equal(`subject=${nameText(parsed)}\n`, printed, subject);
  }
  t.end();
});

/** Parses a name's text by RFC 4514, section 3. */
function readName(text: string): [type: string, value: string][][] {
  const split = (part: string, separator: string) =>
    [...part.matchAll(new RegExp(`((?:\\\\.|[^${separator}\\\\])+)(?:[${separator}]|$)`, 'gs'))].map(
      ([, each = '']) => each,
    );
  const types: Record<string, string> = { CN: commonName, O: '2.5.4.10' };
  return split(text, ',')
    .map((part) =>
      split(part, '+')
        .map((attribute): [string, string] => {
          const mark = attribute.indexOf('=');
          const value = attribute
            .slice(mark + 1)
            .replace(/\\(00|.)/gs, (_match, escaped: string) => (escaped === '00' ? '\0' : escaped));
          return [types[attribute.slice(0, mark)] ?? '', value];
        })
        .reverse(),
    )
    .reverse();
}

void t.test('a name can be parsed from its text, so no two names have the same text', (t) => {
  const value = fc.string({ unit: fc.constantFrom(...',+=\\"#; <>aCNO\0'), minLength: 1, maxLength: 6 });
  const part = fc.array(fc.tuple(fc.constantFrom(commonName, '2.5.4.10'), value), {
    minLength: 1,
    maxLength: 2,
  });
  const names = fc.array(part, { minLength: 1, maxLength: 3 });
  fc.assert(
    fc.property(names, (parts) => {
      assert.deepEqual(readName(nameText(name(...parts))), parts);
    }),
    { numRuns: 5_000 },
  );
  t.pass('5,000 names');
  t.end();
});
