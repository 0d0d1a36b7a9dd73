// Published vectors: Project Wycheproof's, and NIST's CAVP as Debian's python3-cryptography-vectors has them.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { vectors } from './paths.js';

export type WycheproofVector = Readonly<Record<string, string>> & {
  readonly tcId: number;
  readonly flags: readonly string[];
  readonly result: 'valid' | 'invalid' | 'acceptable';
};

export interface WycheproofGroup {
  readonly tests: readonly WycheproofVector[];
  /** Hex. */
  readonly publicKeyDer: string;
  /** Hex. */
  readonly privateKeyPkcs8: string;
  /** Bits. */
  readonly tagSize: number;
  readonly encoding: string;
}

const wycheproof = vectors('wycheproof', 'WYCHEPROOF_DIR');

export const hasWycheproof = wycheproof !== undefined;

/** The groups of a file of Project Wycheproof. @param name the file's, without `_test.json` */
export function wycheproofGroups(name: string): readonly WycheproofGroup[] {
  const text = readFileSync(join(wycheproof!, `${name}_test.json`), 'utf8');
  return (JSON.parse(text) as { testGroups: WycheproofGroup[] }).testGroups;
}

export interface NistVector {
  /** The headings above it, such as `P-256,SHA-256` or `mod = 2048`. */
  readonly headings: readonly string[];
  /** Values by name; a name such as `FAIL` may have no value. */
  readonly values: Readonly<Record<string, string | undefined>>;
  readonly line: number;
}

export const nistFolder =
  process.env.CRYPTOGRAPHY_VECTORS_DIR ?? '/usr/lib/python3/dist-packages/cryptography_vectors';

export const hasNistVectors = existsSync(nistFolder);

/** The records of a response file: names and values between blank lines, under headings in brackets. */
export function nistRecords(...path: readonly string[]): NistVector[] {
  const found: NistVector[] = [];
  let headings: string[] = [];
  let values: Record<string, string> = {};
  let wasHeading = false;
  const lines = readFileSync(join(nistFolder, ...path), 'latin1').split(/\r?\n/);
  for (const [index, line] of [...lines, ''].entries()) {
    const heading = /^\[(.*)\]$/.exec(line)?.[1];
    if (heading !== undefined) {
      headings = wasHeading ? [...headings, heading] : [heading];
      wasHeading = true;
    } else if (line === '') {
      if (Object.keys(values).length > 0) found.push({ headings, values, line: index });
      values = {};
    } else if (!line.startsWith('#')) {
      const [name = '', value = ''] = line.split(/ = ?/);
      values[name.trim()] = value.trim();
      wasHeading = false;
    }
  }
  return found;
}

/** Bytes from hex; no bytes for undefined. */
export function hex(text: string | undefined): Buffer {
  return Buffer.from(text ?? '', 'hex');
}

/** A hex number as a number of bytes, or more if it is too large: numbers of P-521 have 68 in NIST's files. */
export function padded(text: string | undefined, size: number): Buffer {
  return hex((text ?? '').replace(/^(00)+/, '').padStart(2 * size, '0'));
}
