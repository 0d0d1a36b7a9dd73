// Templates inside templates (CKA_UNWRAP_TEMPLATE), which pkcs11js 2.1.7 can neither pass nor read. koffi calls the functions
// of the library that pkcs11js has loaded: both share its state, so their session and object handles are the same.
import { createRequire } from 'node:module';
import type * as Koffi from 'koffi';
import type { Handle } from 'pkcs11js';
import { HsmError } from '../key-store.js';

/** An attribute whose value may be a template. Numbers are CK_ULONG. */
export interface NestedAttribute {
  readonly type: number;
  readonly value: boolean | number | Buffer | readonly NestedAttribute[];
}

/** A mechanism with its parameter as the module's struct. */
export interface RawMechanism {
  readonly mechanism: number;
  readonly parameter?: Buffer;
}

/** The size of CK_ULONG and of a pointer on the systems that Keyhold runs on: 64-bit Linux. */
const word = 8;

/** Native memory of one call. It holds every buffer until the call has returned, because structs hold only addresses. */
class Arena {
  readonly #kept: Buffer[] = [];

  constructor(private readonly koffi: typeof Koffi) {}

  /** CK_ATTRIBUTE[]: type, pValue and ulValueLen each (PKCS #11 v2.40, section 3.5). */
  template(attributes: readonly NestedAttribute[]): Buffer {
    const words = attributes.flatMap(({ type, value }) => {
      const bytes = this.#valueOf(value);
      return [BigInt(type), this.address(bytes), BigInt(bytes.length)];
    });
    return this.keep(ulongs(words));
  }

  /** CK_MECHANISM: mechanism, pParameter and ulParameterLen. */
  mechanism({ mechanism, parameter = Buffer.alloc(0) }: RawMechanism): Buffer {
    return this.keep(ulongs([BigInt(mechanism), this.address(parameter), BigInt(parameter.length)]));
  }

  keep(buffer: Buffer): Buffer {
    this.#kept.push(buffer);
    return buffer;
  }

  address(buffer: Buffer): bigint {
    return buffer.length === 0 ? 0n : this.koffi.address(this.keep(buffer));
  }

  #valueOf(value: NestedAttribute['value']): Buffer {
    if (typeof value === 'boolean') return Buffer.of(value ? 1 : 0);
    if (typeof value === 'number') return ulongs([BigInt(value)]);
    return Buffer.isBuffer(value) ? value : this.template(value);
  }
}

/** Encodes CK_ULONGs. */
export function ulongs(values: readonly (number | bigint)[]): Buffer {
  const bytes = Buffer.alloc(word * values.length);
  values.forEach((value, index) => bytes.writeBigUInt64LE(BigInt(value), word * index));
  return bytes;
}

/** Encodes CK_RSA_PKCS_OAEP_PARAMS (PKCS #11 v2.40 mechanisms, section 2.1.8) without a label. */
export function oaepParameter(hash: number, mgf: number): Buffer {
  const CKZ_DATA_SPECIFIED = 1;
  return ulongs([hash, mgf, CKZ_DATA_SPECIFIED, 0, 0]);
}

type UnwrapKey = (
  session: bigint,
  mechanism: Buffer,
  key: bigint,
  wrapped: Buffer,
  wrappedLength: number,
  template: Buffer,
  count: number,
  handle: Buffer,
) => number | bigint;

type GetAttributeValue = (
  session: bigint,
  object: bigint,
  template: Buffer,
  count: number,
) => number | bigint;

/**
 * Reads the length of an attribute and not its value: the one of a template holds pointers, and pkcs11js would let the module
 * write wherever they happen to point.
 * @returns 0 if the object does not have the attribute
 */
export function attributeLength(library: string, session: Handle, object: Handle, type: number): number {
  const get = koffi()
    .load(library)
    .func(
      'ulong C_GetAttributeValue(ulong session, ulong object, void *template, ulong count)',
    ) as unknown as GetAttributeValue;
  const attribute = ulongs([type, 0, 0]);
  const result = Number(get(session.readBigUInt64LE(), object.readBigUInt64LE(), attribute, 1));
  const length = attribute.readBigUInt64LE(2 * word);
  // CK_UNAVAILABLE_INFORMATION for an attribute that is not there.
  return result === 0 && length < 2n ** 32n ? Number(length) : 0;
}

function koffi(): typeof Koffi {
  return createRequire(import.meta.url)('koffi') as typeof Koffi;
}

/**
 * Calls C_UnwrapKey.
 * @param library path of the module that pkcs11js has loaded and initialised
 * @throws HsmError 'unsupported' with the return value, named like an error of pkcs11js by its `cause`
 */
export function unwrapNested(
  library: string,
  session: Handle,
  mechanism: RawMechanism,
  key: Handle,
  wrapped: Buffer,
  template: readonly NestedAttribute[],
): Handle {
  const unwrap = koffi()
    .load(library)
    .func(
      'ulong C_UnwrapKey(ulong session, void *mechanism, ulong key, void *wrapped, ulong length, void *template, ulong count, void *handle)',
    ) as unknown as UnwrapKey;
  const arena = new Arena(koffi());
  const handle = arena.keep(Buffer.alloc(word));
  const result = Number(
    unwrap(
      session.readBigUInt64LE(),
      arena.mechanism(mechanism),
      key.readBigUInt64LE(),
      arena.keep(wrapped),
      wrapped.length,
      arena.template(template),
      template.length,
      handle,
    ),
  );
  if (result === 0) return handle;
  const cause = Object.assign(new Error('C_UnwrapKey'), { code: result });
  throw new HsmError(
    'unsupported',
    `The module does not unwrap the other Region's transport key with CKA_UNWRAP_TEMPLATE: C_UnwrapKey returned 0x${result.toString(16)}.`,
    { cause },
  );
}
