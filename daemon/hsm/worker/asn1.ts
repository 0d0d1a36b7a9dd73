// The ASN.1 libraries, loaded only when the first key pair leaves or enters the HSM. They take 200 ms to load, half of a
// worker's start, and requests may be waiting for the start of a replacement.
import { createRequire } from 'node:module';
import type * as ecc from '@peculiar/asn1-ecc';
import type * as pkcs8 from '@peculiar/asn1-pkcs8';
import type * as rsa from '@peculiar/asn1-rsa';
import type * as schema from '@peculiar/asn1-schema';
import type * as x509 from '@peculiar/asn1-x509';

const require = createRequire(import.meta.url);

interface Asn1 {
  readonly ecc: typeof ecc;
  readonly pkcs8: typeof pkcs8;
  readonly rsa: typeof rsa;
  readonly schema: typeof schema;
  readonly x509: typeof x509;
}

let loaded: Asn1 | undefined;

/** Loads the libraries on the first call. */
export function asn1(): Asn1 {
  const load = (name: keyof Asn1) => require(`@peculiar/asn1-${name}`) as never;
  return (loaded ??= {
    ecc: load('ecc'),
    pkcs8: load('pkcs8'),
    rsa: load('rsa'),
    schema: load('schema'),
    x509: load('x509'),
  });
}
