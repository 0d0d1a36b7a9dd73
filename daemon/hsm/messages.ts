// What travels between the pool and a worker: the kinds of jobs, and the frames of jobs and of results.
import { cipherSuites } from '../../proto/formats/ciphertext.js';
import type { CipherKey, HsmErrorCode } from './key-store.js';
import type { TokenName } from './pkcs11/find-token.js';
import type { ModuleSettings } from './pkcs11/module.js';

interface KindRow {
  /** Number of byte strings that a job carries. */
  readonly parts: number;
  /** Which of them are the CKA_IDs of keys that the job uses. */
  readonly keys: readonly number[];
  /** Milliseconds after which a worker that has not answered is killed. */
  readonly deadline: number;
  /** Microseconds that the pool expects it to take until it has seen some. */
  readonly cost: number;
  /** Whether it may run a second time where a worker died. What may not also travels alone. */
  readonly repeatable: boolean;
  /**
   * Makes or destroys token objects, or generates a pair: one worker of a store does all of these, one after another.
   * RSA generation is seconds of CPU, inside the device too. And a process that writes to a SoftHSM 2.6.1 token takes all changes of others
   * for seen (Generation::commit): with two writers, each would miss objects of the other for good.
   */
  readonly writes?: true;
  /** Reads every object of the token. */
  readonly enumerates?: true;
  /** Seconds of CPU. */
  readonly slow?: true;
}

const rows = {
  start: { parts: 2, keys: [], deadline: 60_000, cost: 100_000, repeatable: false, enumerates: true },
  learn: { parts: 0, keys: [], deadline: 20_000, cost: 100_000, repeatable: false, enumerates: true },
  /** Asks the device for something small. */
  probe: { parts: 0, keys: [], deadline: 10_000, cost: 100, repeatable: false },
  forget: { parts: 1, keys: [], deadline: 10_000, cost: 100, repeatable: false },
  generateKey: { parts: 3, keys: [], deadline: 10_000, cost: 10_000, repeatable: false, writes: true },
  generateKeyPair: {
    parts: 3,
    keys: [],
    deadline: 60_000,
    cost: 100_000,
    repeatable: false,
    writes: true,
    slow: true,
  },
  importWrapped: { parts: 6, keys: [0], deadline: 20_000, cost: 20_000, repeatable: false, writes: true },
  importPlaintext: { parts: 4, keys: [], deadline: 20_000, cost: 20_000, repeatable: false, writes: true },
  destroy: { parts: 1, keys: [], deadline: 10_000, cost: 100_000, repeatable: true, writes: true },
  exists: { parts: 1, keys: [], deadline: 10_000, cost: 100_000, repeatable: true },
  inspect: { parts: 2, keys: [], deadline: 20_000, cost: 100_000, repeatable: true },
  publicKey: { parts: 1, keys: [0], deadline: 10_000, cost: 100, repeatable: true },
  random: { parts: 1, keys: [], deadline: 10_000, cost: 5, repeatable: true },
  encrypt: { parts: 4, keys: [0], deadline: 10_000, cost: 20, repeatable: true },
  decrypt: { parts: 5, keys: [0], deadline: 10_000, cost: 20, repeatable: true },
  reEncrypt: { parts: 8, keys: [0, 5], deadline: 10_000, cost: 40, repeatable: true },
  dataKey: { parts: 4, keys: [0], deadline: 10_000, cost: 20, repeatable: true },
  dataKeyWithoutPlaintext: { parts: 4, keys: [0], deadline: 10_000, cost: 20, repeatable: true },
  dataKeyPair: {
    parts: 4,
    keys: [0],
    deadline: 60_000,
    cost: 100_000,
    repeatable: true,
    writes: true,
    slow: true,
  },
  dataKeyPairWithoutPlaintext: {
    parts: 4,
    keys: [0],
    deadline: 60_000,
    cost: 100_000,
    repeatable: true,
    writes: true,
    slow: true,
  },
  sign: { parts: 4, keys: [0], deadline: 10_000, cost: 60, repeatable: true },
  verify: { parts: 5, keys: [0], deadline: 10_000, cost: 60, repeatable: true },
  deriveSharedSecret: { parts: 2, keys: [0], deadline: 10_000, cost: 100, repeatable: true },
  readData: { parts: 1, keys: [], deadline: 10_000, cost: 1_000, repeatable: true },
  replaceData: { parts: 2, keys: [], deadline: 10_000, cost: 20_000, repeatable: true, writes: true },
} as const satisfies Record<string, KindRow>;

export type JobName = keyof typeof rows;

export interface JobKind extends KindRow {
  readonly name: JobName;
  /** The kind's number in a frame. */
  readonly code: number;
}

const names = Object.keys(rows) as JobName[];

/** The kinds by code. */
export const kindsByCode: readonly JobKind[] = names.map((name, code) => ({ ...rows[name], name, code }));

/** The kinds by name. */
export const kinds = Object.fromEntries(kindsByCode.map((kind) => [kind.name, kind])) as Record<
  JobName,
  JobKind
>;

/** In what a module differs from others; from its profile. */
export interface ModuleQuirks {
  /** CK_USER_TYPE of the login; default CKU_USER. */
  readonly userType?: number;
  /** The PIN is given at the device: C_Login gets none (CKF_PROTECTED_AUTHENTICATION_PATH). */
  readonly protectedPath?: boolean;
  /** Mechanisms that the module lists and that are not used: names of CKM constants, or numbers as `0x…`. */
  readonly avoided?: readonly string[];
  /** Sizes of RSA keys that it makes, in bits, where it lists others. */
  readonly rsaBits?: { readonly min?: number; readonly max?: number };
  readonly oaepSha256InModule?: boolean;
  /** The module draws the IV of CKM_AES_GCM, and writes it over the one in the parameters at C_EncryptInit. */
  readonly drawsIvs?: boolean;
  /** Attributes that its templates do not take, by CKA name or as `0x…`. */
  readonly omittedAttributes?: readonly string[];
}

/** A module's way to keep tokens in files. */
export type TokenFileFormat = 'softhsm2';

/** What the first job of a worker says, as JSON; its second part is the PIN, empty with a protected path. */
export interface StartSettings extends ModuleSettings {
  readonly token: TokenName;
  /** How many session copies of keys to hold at once. */
  readonly sessionCopies: number;
  readonly quirks: ModuleQuirks;
  /** How the module keeps tokens in files that it does not sync; none: it does, or has no files. */
  readonly tokenFiles?: TokenFileFormat | undefined;
  /** No login where the token says that a wrong PIN was given before. */
  readonly sparesTries: boolean;
  /** Whether to answer with a {@link TokenListing}. */
  readonly describeToken: boolean;
}

/** What the first worker of a store answers to its start, as JSON. */
export interface TokenListing {
  readonly objects: readonly (readonly [objectClass: number, id: string, label: string])[];
  readonly mechanisms: readonly (readonly [type: number, minKeySize: number, maxKeySize: number])[];
  /** What was put right before the login, for the log. */
  readonly notices: readonly string[];
}

/** The byte that names a cipher in a job. */
export const cipherCodes: Readonly<Record<CipherKey['suite'], number>> = {
  [cipherSuites.AES_256_GCM]: cipherSuites.AES_256_GCM,
  [cipherSuites.AES_256_CBC_HMAC_SHA_256]: cipherSuites.AES_256_CBC_HMAC_SHA_256,
  'rsa-oaep-sha1': 0x81,
  'rsa-oaep-sha256': 0x82,
};

/** Status byte of a result: 0 is success, else 1 + the index in this list; the only part is then the message. */
export const errorCodes: readonly HsmErrorCode[] = [
  'invalid-ciphertext',
  'plaintext-too-long',
  'no-such-object',
  'unsupported',
  'token-full',
  'unavailable',
  'disconnected',
  'no-token',
  'no-user-pin',
  'timeout',
  'overloaded',
  'login-refused',
  'pin-locked',
  'internal',
  'incorrect-key-material',
  'no-session',
  'read-only',
];

/** Status byte of a worker's last result: it did not do this job and ends, since it lost its session; as above. */
export const SESSION_LOST = 255;

/** Longest frame; the longest real one lists the objects of a token, some 100 bytes each. */
export const MAX_FRAME = 64 * 1024 * 1024;

const MESSAGE_HEADER = 10;

/** A frame that is not what {@link FrameWriter} writes. */
export class ChannelError extends Error {}

/**
 * Puts messages together to a frame: u32 length of what follows, u32 count, then for each message u32 id,
 * u32 microseconds, u8 code, u8 number of parts, a u32 length for each part, the parts. Little-endian.
 */
export class FrameWriter {
  private buffer = Buffer.allocUnsafeSlow(64 * 1024);
  private end = 8;
  count = 0;

  /**
   * @param code kind of a job or status of a result
   * @param microseconds how long the job took; 0 in a job
   */
  add(id: number, code: number, microseconds: number, parts: readonly Buffer[]): void {
    let size = MESSAGE_HEADER + 4 * parts.length;
    for (const part of parts) size += part.length;
    if (this.end + size > this.buffer.length) this.grow(size);
    const { buffer } = this;
    let at = this.end;
    buffer.writeUInt32LE(id, at);
    buffer.writeUInt32LE(microseconds, at + 4);
    buffer[at + 8] = code;
    buffer[at + 9] = parts.length;
    at += MESSAGE_HEADER;
    for (const part of parts) at = buffer.writeUInt32LE(part.length, at);
    for (const part of parts) {
      buffer.set(part, at);
      at += part.length;
    }
    this.end = at;
    this.count++;
  }

  /** The frame, a view that is good until the next {@link add}, which begins a new one. The caller wipes it. */
  take(): Buffer {
    const frame = this.buffer.subarray(0, this.end);
    frame.writeUInt32LE(this.end - 4, 0);
    frame.writeUInt32LE(this.count, 4);
    this.end = 8;
    this.count = 0;
    return frame;
  }

  private grow(size: number): void {
    const larger = Buffer.allocUnsafeSlow(Math.max(2 * this.buffer.length, this.end + size));
    larger.set(this.buffer.subarray(0, this.end));
    this.buffer.fill(0, 0, this.end);
    this.buffer = larger;
  }
}

/** Cuts what comes from the channel into frames. */
export class FrameReader {
  private partial: Buffer | undefined;
  private filled = 0;

  /**
   * @param chunk what was read; parts that are copied out of it are wiped
   * @param each gets the frame without its length: a view of the chunk, or of a buffer of its own
   * @throws ChannelError where a length is impossible
   */
  push(chunk: Buffer, each: (frame: Buffer) => void): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.partial === undefined && chunk.length - at >= 4) {
        const end = at + 4 + checkedSize(chunk.readUInt32LE(at));
        if (end <= chunk.length) {
          each(chunk.subarray(at + 4, end));
          at = end;
          continue;
        }
      }
      this.partial ??= Buffer.alloc(4);
      const copied = chunk.copy(this.partial, this.filled, at);
      chunk.fill(0, at, at + copied);
      at += copied;
      this.filled += copied;
      if (this.filled === this.partial.length) this.completed(this.partial, each);
    }
  }

  private completed(partial: Buffer, each: (frame: Buffer) => void): void {
    if (partial.length === 4) {
      this.partial = Buffer.alloc(4 + checkedSize(partial.readUInt32LE(0)));
      return;
    }
    this.partial = undefined;
    this.filled = 0;
    each(partial.subarray(4));
  }
}

function checkedSize(size: number): number {
  if (size < 4 || size > MAX_FRAME) throw new ChannelError(`A frame of ${size} bytes`);
  return size;
}

/** Number of messages in a frame. */
export function countMessages(frame: Buffer): number {
  return frame.readUInt32LE(0);
}

/**
 * Calls back for each message of a frame; parts are views of it.
 * @throws ChannelError where it is malformed, perhaps after some calls
 */
export function forEachMessage(
  frame: Buffer,
  each: (id: number, code: number, microseconds: number, parts: Buffer[]) => void,
): void {
  const count = countMessages(frame);
  let at = 4;
  for (let n = 0; n < count; n++) {
    if (at + MESSAGE_HEADER > frame.length) throw new ChannelError('A message is cut short');
    const header = at;
    const partCount = frame[at + 9] ?? 0;
    let length = at + MESSAGE_HEADER;
    at = length + 4 * partCount;
    if (at > frame.length) throw new ChannelError('A message is cut short');
    const parts = new Array<Buffer>(partCount);
    for (let part = 0; part < partCount; part++, length += 4) {
      const end = at + frame.readUInt32LE(length);
      if (end > frame.length) throw new ChannelError('A message is cut short');
      parts[part] = frame.subarray(at, end);
      at = end;
    }
    each(frame.readUInt32LE(header), frame[header + 8] ?? 0, frame.readUInt32LE(header + 4), parts);
  }
  if (at !== frame.length) throw new ChannelError('Bytes after the last message');
}
