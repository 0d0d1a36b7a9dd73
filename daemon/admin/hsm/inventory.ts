// Describes a PKCS#11 module: slots, tokens, mechanisms and objects.
import {
  KeyType,
  type Mechanism,
  MechanismEnum,
  MechanismFlag,
  type Module,
  ObjectClass,
  type Session,
  type SessionObject,
  type Slot,
  SlotFlag,
  type Token,
  TokenFlag,
} from 'graphene-pk11';
import pkcs11 from 'pkcs11js';
import { hasFlag, slotId } from '../../hsm/pkcs11/find-token.js';
import { toHsmError } from '../../hsm/pkcs11/return-values.js';
import { mechanismName } from '../../keys/index.js';

/** A module (C_GetInfo). */
export interface ModuleEntry {
  readonly library: string;
  readonly manufacturer: string;
  readonly description: string;
  readonly version: string;
  /** Version of PKCS#11. */
  readonly cryptoki: string;
}

/** State of a user's PIN. */
export type PinState =
  'not set' | 'set' | 'wrong PIN given before' | 'final try' | 'locked' | 'at the device';

/** A token (C_GetTokenInfo). */
export interface TokenEntry {
  readonly label: string;
  readonly serial: string;
  readonly model: string;
  readonly manufacturer: string;
  readonly isInitialized: boolean;
  readonly userPin: PinState;
  /** Free bytes for public and private objects; absent if the module does not report them. */
  readonly freePublicMemory?: number;
  readonly freePrivateMemory?: number;
  /** Names of CKF_… without the prefix. */
  readonly flags: readonly string[];
}

/** A slot (C_GetSlotInfo). */
export interface SlotEntry {
  /** CK_SLOT_ID. */
  readonly id: number;
  readonly description: string;
  readonly flags: readonly string[];
  /** Absent if there is no token, or it cannot be read. */
  readonly token?: TokenEntry;
  /** Why the token cannot be read. */
  readonly error?: string;
}

/** A mechanism (C_GetMechanismInfo). */
export interface MechanismEntry {
  /** CKM number, and its name. */
  readonly type: number;
  readonly name: string;
  /** In bits or bytes, depending on mechanism and module. */
  readonly minKeySize: number;
  readonly maxKeySize: number;
  readonly flags: readonly string[];
}

/** An object (C_GetAttributeValue). */
export interface ObjectEntry {
  /** Names of CKO_… and CKK_… without the prefix, or numbers in hex. */
  readonly class: string;
  readonly keyType?: string;
  readonly label: string;
  /** CKA_ID, hex. */
  readonly id: string;
}

/** Describes an initialised module. */
export function describeModule(module: Module): ModuleEntry {
  const { libFile, manufacturerID, libraryDescription, libraryVersion, cryptokiVersion } = module;
  return {
    library: libFile,
    manufacturer: manufacturerID,
    description: libraryDescription,
    version: `${libraryVersion.major}.${libraryVersion.minor}`,
    cryptoki: `${cryptokiVersion.major}.${cryptokiVersion.minor}`,
  };
}

/** Describes a slot and its token. */
export function describeSlot(slot: Slot): SlotEntry {
  const entry = {
    id: slotId(slot),
    description: slot.slotDescription,
    flags: flagNames(SlotFlag, slot.flags),
  };
  if ((slot.flags & SlotFlag.TOKEN_PRESENT) === 0) return entry;
  try {
    return { ...entry, token: describeToken(slot.getToken()) };
  } catch (error) {
    return { ...entry, error: toHsmError(error).message };
  }
}

function describeToken(token: Token): TokenEntry {
  return {
    label: token.label,
    serial: token.serialNumber,
    model: token.model,
    manufacturer: token.manufacturerID,
    isInitialized: hasFlag(token, TokenFlag.TOKEN_INITIALIZED),
    userPin: pinState(token),
    freePublicMemory: knownNumber(token.freePublicMemory),
    freePrivateMemory: knownNumber(token.freePrivateMemory),
    flags: flagNames(TokenFlag, token.flags),
  };
}

/** The worst state first, as several flags may be set. */
const pinStates: readonly (readonly [flag: number, state: PinState])[] = [
  [TokenFlag.USER_PIN_LOCKED, 'locked'],
  [TokenFlag.USER_PIN_FINAL_TRY, 'final try'],
  [TokenFlag.USER_PIN_COUNT_LOW, 'wrong PIN given before'],
  [TokenFlag.PROTECTED_AUTHENTICATION_PATH, 'at the device'],
  [TokenFlag.USER_PIN_INITIALIZED, 'set'],
];

function pinState(token: Token): PinState {
  return pinStates.find(([flag]) => hasFlag(token, flag))?.[1] ?? 'not set';
}

/**
 * Converts a CK_ULONG. pkcs11js returns those beyond 32 bits as a bigint, whatever its types say.
 * @returns undefined for CK_UNAVAILABLE_INFORMATION, of 32 or 64 bits
 */
function knownNumber(value: number | bigint): number | undefined {
  const number = Number(value);
  return number === 0xffffffff || number > Number.MAX_SAFE_INTEGER ? undefined : number;
}

/** Lists the mechanisms of a slot's token, except those whose details the module refuses. */
export function listMechanisms(slot: Slot): MechanismEntry[] {
  const mechanisms = slot.getMechanisms();
  return Array.from({ length: mechanisms.length }, (_, index) => mechanisms.tryGetItem(index)).flatMap(
    (mechanism) => (mechanism ? [describeMechanism(mechanism)] : []),
  );
}

function describeMechanism({ type, minKeySize, maxKeySize, flags }: Mechanism): MechanismEntry {
  return {
    type,
    name: nameMechanism(type),
    minKeySize: Number(minKeySize),
    maxKeySize: Number(maxKeySize),
    flags: flagNames(MechanismFlag, flags),
  };
}

/** @returns a name such as `CKM_AES_GCM`; Keyhold's own name is preferred, because some numbers have two */
function nameMechanism(type: number): string {
  const own = mechanismName(type);
  const name = MechanismEnum[type];
  return own.startsWith('CKM_') || name === undefined ? own : `CKM_${name}`;
}

/** Lists the objects that are visible in a session. */
export function listObjects(session: Session): ObjectEntry[] {
  return [...session.find()].flatMap((object) => describeObject(object) ?? []);
}

/** @returns undefined if the object is gone, because a running daemon replaces its anchor */
function describeObject(object: SessionObject): ObjectEntry | undefined {
  try {
    const objectClass = attribute(object, pkcs11.CKA_CLASS)?.readUInt32LE(0);
    const keyType = attribute(object, pkcs11.CKA_KEY_TYPE)?.readUInt32LE(0);
    return {
      class: enumName(ObjectClass, objectClass),
      ...(keyType !== undefined && { keyType: enumName(KeyType, keyType) }),
      label: attribute(object, pkcs11.CKA_LABEL)?.toString() ?? '',
      id: attribute(object, pkcs11.CKA_ID)?.toString('hex') ?? '',
    };
  } catch (error) {
    if (codeOf(error) === pkcs11.CKR_OBJECT_HANDLE_INVALID) return undefined;
    throw error;
  }
}

const withoutAttribute: ReadonlySet<unknown> = new Set([
  pkcs11.CKR_ATTRIBUTE_TYPE_INVALID,
  pkcs11.CKR_ATTRIBUTE_SENSITIVE,
]);

/** @returns undefined if the object has no such attribute, or an empty one */
function attribute(object: SessionObject, type: number): Buffer | undefined {
  try {
    const value = object.getAttribute(type);
    return value.length > 0 ? value : undefined;
  } catch (error) {
    if (withoutAttribute.has(codeOf(error))) return undefined;
    throw error;
  }
}

function codeOf(error: unknown): unknown {
  return (error as { code?: unknown }).code;
}

type NumericEnum = Readonly<Record<number | string, string | number>>;

function enumName(names: NumericEnum, value: number | undefined): string {
  if (value === undefined) return 'unreadable';
  const name = names[value];
  return typeof name === 'string' ? name : `0x${value.toString(16)}`;
}

/** The names of the flags that are set. */
function flagNames(flags: NumericEnum, value: number): string[] {
  return Object.entries(flags).flatMap(([name, flag]) =>
    typeof flag === 'number' && (value & flag) !== 0 ? [name] : [],
  );
}
