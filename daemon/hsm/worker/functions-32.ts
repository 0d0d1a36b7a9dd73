// C_EncapsulateKey and C_DecapsulateKey of PKCS #11 v3.2 (sections 5.18.8 and 5.18.9), which pkcs11js does not call. koffi calls them
// in the list of functions that C_GetInterface returns. The module is already loaded and initialised by then, and session and object
// handles are those of pkcs11js.
import { createRequire } from 'node:module';
import pkcs11, { type Attribute, type Handle } from 'pkcs11js';
import { HsmError } from '../key-store.js';

const require = createRequire(import.meta.url);

/** Places of the functions in CK_FUNCTION_LIST_3_2, counted after its version (pkcs11f.h of v3.2). */
const encapsulateAt = 92;
const decapsulateAt = 93;
/** Longest ciphertext in bytes, that of ML-KEM-1024 (FIPS 203, table 3), with room to see a longer one. */
const longestCiphertext = 2048;

type Koffi = typeof import('koffi');
/** A function of the module; it returns a CKR number. */
type NativeFunction = (...values: readonly unknown[]) => unknown;

const returnValues = new Map<number, string>(
  Object.entries(pkcs11).flatMap(([name, value]) =>
    name.startsWith('CKR_') && typeof value === 'number' ? [[value, name] as const] : [],
  ),
);

/** Defined once: koffi refuses a name of a type that it has already, and a second attempt would hide the reason of the first. */
let types: ReturnType<typeof defineTypes> | undefined;

/** The functions for key encapsulation of one module. */
export class EncapsulationFunctions {
  readonly #encapsulate: NativeFunction;
  readonly #decapsulate: NativeFunction;

  /**
   * Finds the functions.
   * @param library as the module was loaded: its path, or a name that the loader finds
   * @throws HsmError 'unsupported' if the package koffi is not installed, or the module has no interface of PKCS #11 v3.2
   */
  constructor(library: string) {
    const koffi = loadKoffi();
    types ??= defineTypes(koffi);
    const list = findList(koffi, library);
    const entries = koffi.decode(list, types.list) as { readonly functions: readonly unknown[] };
    this.#encapsulate = koffi.decode(entries.functions[encapsulateAt], types.encapsulate) as NativeFunction;
    this.#decapsulate = koffi.decode(entries.functions[decapsulateAt], types.decapsulate) as NativeFunction;
  }

  /**
   * Calls C_EncapsulateKey.
   * @param mechanism CKM number of a mechanism without parameters
   * @param template of the shared secret
   * @returns the ciphertext, and the handle of the shared secret, which the caller destroys
   * @throws an error with the return value, like those of pkcs11js
   */
  encapsulate(
    session: Handle,
    mechanism: number,
    publicKey: Handle,
    template: readonly Attribute[],
  ): { ciphertext: Buffer; secret: Handle } {
    const ciphertext = Buffer.alloc(longestCiphertext);
    const [length, secret] = [[longestCiphertext], [0]];
    const attributes = toNative(template);
    check(
      this.#encapsulate(
        ...[toNumber(session), { mechanism, parameter: null, length: 0 }, toNumber(publicKey)],
        ...[attributes, attributes.length, ciphertext, length, secret],
      ),
    );
    return { ciphertext: ciphertext.subarray(0, length[0]), secret: toHandle(secret[0]!) };
  }

  /**
   * Calls C_DecapsulateKey.
   * @param mechanism CKM number of a mechanism without parameters
   * @param template of the shared secret
   * @returns the handle of the shared secret, which the caller destroys
   * @throws an error with the return value, like those of pkcs11js
   */
  decapsulate(
    session: Handle,
    mechanism: number,
    privateKey: Handle,
    template: readonly Attribute[],
    ciphertext: Buffer,
  ): Handle {
    const secret = [0];
    const attributes = toNative(template);
    check(
      this.#decapsulate(
        ...[toNumber(session), { mechanism, parameter: null, length: 0 }, toNumber(privateKey)],
        ...[attributes, attributes.length, ciphertext, ciphertext.length, secret],
      ),
    );
    return toHandle(secret[0]!);
  }
}

function loadKoffi(): Koffi {
  try {
    return require('koffi') as Koffi;
  } catch (error) {
    throw new HsmError(
      'unsupported',
      `ML-KEM needs the npm package koffi, which cannot be loaded: ${(error as Error).message}`,
    );
  }
}

/** Defines the types of pkcs11t.h as on 64-bit Unix: CK_ULONG is an unsigned long, and structures are not packed. */
function defineTypes(koffi: Koffi) {
  const version = koffi.struct('CK_VERSION', { major: 'uint8', minor: 'uint8' });
  koffi.struct('CK_INTERFACE', { name: 'const char *', list: 'void *', flags: 'ulong' });
  koffi.struct('CK_MECHANISM', { mechanism: 'ulong', parameter: 'void *', length: 'ulong' });
  koffi.struct('CK_ATTRIBUTE', { type: 'ulong', value: 'void *', length: 'ulong' });
  const shared = 'ulong session, CK_MECHANISM *mechanism, ulong key, CK_ATTRIBUTE *template, ulong count';
  return {
    list: koffi.struct('CK_FUNCTION_LIST_3_2', {
      version,
      functions: koffi.array('void *', decapsulateAt + 1),
    }),
    encapsulate: koffi.proto(
      `ulong C_EncapsulateKey(${shared}, void *ciphertext, _Inout_ ulong *length, _Out_ ulong *secret)`,
    ),
    decapsulate: koffi.proto(
      `ulong C_DecapsulateKey(${shared}, void *ciphertext, ulong length, _Out_ ulong *secret)`,
    ),
  };
}

/** @returns the address of CK_FUNCTION_LIST_3_2 */
function findList(koffi: Koffi, library: string): unknown {
  const found: unknown[] = [null];
  try {
    const getInterface = koffi
      .load(library)
      .func('ulong C_GetInterface(const char *, CK_VERSION *, _Out_ CK_INTERFACE **, ulong)');
    check(getInterface('PKCS 11', { major: 3, minor: 2 }, found, 0));
  } catch (error) {
    throw new HsmError(
      'unsupported',
      `The profile says that the module encapsulates keys, but it has no interface of PKCS #11 v3.2: ${(error as Error).message}`,
    );
  }
  return (koffi.decode(found[0], 'CK_INTERFACE') as { readonly list: unknown }).list;
}

/** @throws an error that hsm/pkcs11/return-values reads like one of pkcs11js */
function check(returned: unknown): void {
  const code = Number(returned);
  if (code === pkcs11.CKR_OK) return;
  throw Object.assign(new Error(returnValues.get(code) ?? 'CKR_UNKNOWN'), { code });
}

/** pkcs11js keeps handles in 8 bytes of memory order. */
function toNumber(handle: Handle): bigint {
  return handle.readBigUInt64LE();
}

function toHandle(value: number | bigint): Handle {
  const handle = Buffer.alloc(8);
  handle.writeBigUInt64LE(BigInt(value));
  return handle;
}

function toNative(template: readonly Attribute[]) {
  return template.map(({ type, value }) => {
    const bytes = typeof value === 'boolean' ? Buffer.of(Number(value)) : toHandle(Number(value));
    return { type, value: bytes, length: bytes.length };
  });
}
