// The principal of a certificate: only one that the mapping names for this certificate.
import assert from 'node:assert/strict';
import { AsnConvert, OctetString } from '@peculiar/asn1-schema';
import {
  AlgorithmIdentifier,
  AttributeTypeAndValue,
  AttributeValue,
  Certificate,
  Extension,
  Extensions,
  GeneralName,
  id_ce_subjectAltName,
  Name,
  RelativeDistinguishedName,
  SubjectAlternativeName,
  SubjectPublicKeyInfo,
  TBSCertificate,
  Validity,
} from '@peculiar/asn1-x509';
import fc from 'fast-check';
import t from 'tap';
import { ClientCertificates } from '../../../daemon/identity/certificates/certificates.js';
import { nameText } from '../../../daemon/identity/certificates/distinguished-name.js';

type Attribute = readonly [type: string, value: string];
type Subject = readonly (readonly Attribute[])[];

const types = { CN: '2.5.4.3', O: '2.5.4.10', UID: '0.9.2342.19200300.100.1.1', other: '1.2.3.4' } as const;
const day = 86_400_000;

function nameOf(subject: Subject): Name {
  const attribute = ([type, utf8String]: Attribute) =>
    new AttributeTypeAndValue({ type, value: new AttributeValue({ utf8String }) });
  return new Name(subject.map((part) => new RelativeDistinguishedName(part.map(attribute))));
}

/** A certificate as TLS passes it on; TLS has verified it, so its signature does not matter here. */
function certificateOf(subject: Name, extensions: readonly Extension[]): Buffer {
  const algorithm = new AlgorithmIdentifier({ algorithm: '1.2.840.10045.4.3.2' });
  const tbsCertificate = new TBSCertificate({
    version: 2,
    serialNumber: Uint8Array.of(1).buffer,
    signature: algorithm,
    issuer: nameOf([[[types.CN, 'issuer']]]),
    validity: new Validity({ notBefore: new Date(Date.now() - day), notAfter: new Date(Date.now() + day) }),
    subject,
    subjectPublicKeyInfo: new SubjectPublicKeyInfo({ algorithm, subjectPublicKey: new ArrayBuffer(1) }),
    extensions: new Extensions([...extensions]),
  });
  const parts = { tbsCertificate, signatureAlgorithm: algorithm, signatureValue: new ArrayBuffer(1) };
  return Buffer.from(AsnConvert.serialize(new Certificate(parts)));
}

function alternativeNames(uris: readonly string[]): Extension {
  const names = uris.map((uniformResourceIdentifier) => new GeneralName({ uniformResourceIdentifier }));
  return raw(AsnConvert.serialize(new SubjectAlternativeName(names)));
}

function raw(value: ArrayBuffer): Extension {
  return new Extension({ extnID: id_ce_subjectAltName, critical: false, extnValue: new OctetString(value) });
}

type Mapping = readonly ({ uri: string; principal: string } | { subject: string; principal: string })[];

/** The principal, or undefined. */
function standsFor(der: Buffer, mapping: Mapping): string | undefined {
  const trust = new ClientCertificates({ authorities: [der], revocationLists: [], mapping });
  const identified = trust.identify(der);
  return 'refused' in identified ? undefined : identified.principal;
}

const value = fc.oneof(
  fc.constantFrom('alice', 'Alice', 'аlice', 'alice ', ' alice', 'al\0ice', 'alice\0', '#alice', 'alice,O=x'),
  fc.constantFrom('alice+O=x', 'alice\\,O=x', 'ａlice', 'alice\u200b', 'ﬁ', 'fi', 'é', 'e\u0301', '"', ''),
  fc.string({ unit: fc.constantFrom(...',+=\\"#; <>aCNO\0'), maxLength: 5 }),
  fc.string({ unit: 'binary', maxLength: 4 }).filter((text) => text.isWellFormed()),
  fc.constant('x'.repeat(4_000)),
);
const attribute = fc.tuple(fc.constantFrom(...Object.values(types)), value);
const subject = fc.array(fc.array(attribute, { minLength: 1, maxLength: 2 }), { maxLength: 3 });

void t.test(
  'a subject maps to a principal if its entry has the same attributes, and to no other one',
  (t) => {
    let mapped = 0;
    fc.assert(
      fc.property(subject, fc.array(subject, { maxLength: 3 }), fc.boolean(), (own, others, isNamed) => {
        const named = isNamed ? [...others, own] : others;
        const mapping = named.map((each, index) => ({
          subject: nameText(nameOf(each)),
          principal: `arn:aws:iam::000000000000:user/u${index}`,
        }));
        const principal = standsFor(certificateOf(nameOf(own), []), mapping);
        // The last of two entries for one subject applies.
        const expected = named.findLastIndex((each) => JSON.stringify(each) === JSON.stringify(own));
        assert.equal(principal, expected < 0 ? undefined : mapping[expected]!.principal);
        if (principal !== undefined) mapped++;
      }),
      { numRuns: 2_000 },
    );
    t.ok(mapped > 500, `${mapped} were mapped`);
    t.end();
  },
);

const path = fc
  .array(fc.constantFrom('', '.', '..', 'a', 'A', '%61', '%2e', 'a?b', 'a#b', 'a;b', '*', 'a\0b', 'a b'), {
    maxLength: 3,
  })
  .map((parts) => parts.join('/'));
const uri = fc
  .tuple(
    fc.constantFrom('spiffe://example.org/', 'SPIFFE://example.org/', 'spiffe://EXAMPLE.org/', 'urn:x:'),
    path,
  )
  .map((parts) => parts.join(''));

void t.test('a URI maps to a principal if an entry has the same characters', (t) => {
  let mapped = 0;
  fc.assert(
    fc.property(fc.array(uri, { maxLength: 2 }), fc.array(uri, { maxLength: 4 }), (own, named) => {
      const mapping = [...new Set(named)].map((each, index) => ({
        uri: each,
        principal: `arn:aws:iam::000000000000:user/u${index}`,
      }));
      const der = certificateOf(nameOf([[[types.CN, 'x']]]), own.length > 0 ? [alternativeNames(own)] : []);
      const found = new Set(
        mapping.filter((entry) => own.includes(entry.uri)).map((entry) => entry.principal),
      );
      // X509-SVID, section 2: a certificate with a SPIFFE ID has no other URI.
      const isExcessive = own.length > 1 && own.some((each) => /^spiffe:/i.test(each));
      const expected = isExcessive || found.size !== 1 ? undefined : [...found][0];
      assert.equal(standsFor(der, mapping), expected, JSON.stringify({ own, named }));
      if (expected !== undefined) mapped++;
    }),
    { numRuns: 3_000 },
  );
  t.ok(mapped > 20, `${mapped} were mapped`);
  t.end();
});

void t.test('an unreadable certificate maps to no principal, and nothing is thrown', (t) => {
  const principal = 'arn:aws:iam::000000000000:user/u';
  const mapping = [{ uri: 'urn:x:a', principal }];
  const name = nameOf([[[types.CN, 'x']]]);
  const good = certificateOf(name, [alternativeNames(['urn:x:a'])]);
  t.equal(standsFor(good, mapping), principal);
  const two = [alternativeNames(['urn:x:a']), alternativeNames(['urn:x:b'])];
  t.equal(
    standsFor(certificateOf(name, two), mapping),
    undefined,
    'two extensions of alternative names are refused',
  );
  t.equal(
    standsFor(certificateOf(name, [raw(new ArrayBuffer(3))]), mapping),
    undefined,
    'an extension without names is refused',
  );
  const damaged = fc.tuple(fc.nat({ max: good.length - 1 }), fc.integer({ min: 1, max: 255 }));
  fc.assert(
    fc.property(damaged, ([at, change]) => {
      const der = Buffer.from(good);
      der[at]! ^= change;
      const trust = new ClientCertificates({ authorities: [der], revocationLists: [], mapping });
      const identified = trust.identify(der);
      assert.ok('refused' in identified || identified.names.uris.includes('urn:x:a'));
    }),
    { numRuns: 3_000 },
  );
  t.end();
});
