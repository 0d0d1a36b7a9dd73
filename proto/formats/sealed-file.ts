// The header of a sealed file (docs/sealed-file-format.md).
import type { StringMap } from '../generated/messages.js';
import { decodeSealedContext, encodeSealedContext, maxSealedContextBytes } from './encryption-context.js';
import { invalidSealedFile, SealError } from './seal-error.js';

/** The header of a sealed file, without the commitment. */
export interface Header {
  /** Bytes of plaintext in each frame except the last: a power of two from 1 KiB to 1 MiB. */
  readonly frameSize: number;
  /** 32 random bytes. */
  readonly salt: Uint8Array;
  readonly encryptionContext: StringMap;
  /** The data key as the daemon encrypted it. */
  readonly encryptedDataKey: Uint8Array;
}

// Begins with a byte that is not ASCII, so that no tool mistakes the file for text.
const magic = Buffer.from('\x89KHSEAL\n', 'latin1');
const version = 1;
/** HKDF-SHA-256, AES-256-GCM. */
const suite = 1;

/** Bytes of magic, version, suite, frame size and header length. */
export const prefixLength = magic.length + 5;
/** Bytes of the salt. */
export const saltLength = 32;
/** Bytes of the commitment. */
export const commitmentLength = 32;

const contextOffset = prefixLength + saltLength;
const maxEncryptedDataKeyLength = 6144;
/** With an empty context and an encrypted data key of one byte. */
const minHeaderLength = contextOffset + 3;
const maxHeaderLength = contextOffset + maxSealedContextBytes + maxEncryptedDataKeyLength;
const frameExponents = { min: 10, max: 20 };

/**
 * Encodes the header up to the commitment.
 * @throws SealError UnusableInput for a frame size, context or encrypted data key outside the bounds of the format
 */
export function encodeHeader(header: Header): Buffer {
  const { frameSize, salt, encryptedDataKey } = header;
  const exponent = Math.log2(frameSize);
  if (!Number.isInteger(exponent) || exponent < frameExponents.min || exponent > frameExponents.max)
    throw new SealError('UnusableInput', 'The frame size must be a power of two from 1024 to 1048576 bytes.');
  if (encryptedDataKey.length < 1 || encryptedDataKey.length > maxEncryptedDataKeyLength)
    throw new SealError(
      'UnusableInput',
      `The encrypted data key has ${encryptedDataKey.length} bytes; 1 to ${maxEncryptedDataKeyLength} are allowed.`,
    );
  const context = encodeSealedContext(header.encryptionContext);
  const prefix = Buffer.alloc(prefixLength);
  magic.copy(prefix);
  prefix.set([version, suite, exponent], magic.length);
  prefix.writeUInt16BE(contextOffset + context.length + encryptedDataKey.length, magic.length + 3);
  return Buffer.concat([prefix, salt, context, encryptedDataKey]);
}

/**
 * Reads the length of the header up to the commitment from its first 13 bytes.
 * @throws SealError NotASealedFile, UnsupportedFormat, or InvalidSealedFile
 */
export function readHeaderLength(prefix: Buffer): number {
  if (!prefix.subarray(0, magic.length).equals(magic))
    throw new SealError('NotASealedFile', 'This is not a file that keyhold sealed.');
  if (prefix.length < prefixLength) throw invalidSealedFile();
  if (prefix[magic.length] !== version || prefix[magic.length + 1] !== suite)
    throw new SealError(
      'UnsupportedFormat',
      'The file was sealed in a format that this version of keyhold does not know; open it with a newer one.',
    );
  const length = prefix.readUInt16BE(magic.length + 3);
  if (length < minHeaderLength || length > maxHeaderLength) throw invalidSealedFile();
  return length;
}

/**
 * Decodes a header up to the commitment. Strict: encodeHeader of the result gives the same bytes.
 * @throws SealError NotASealedFile, UnsupportedFormat, or InvalidSealedFile
 */
export function decodeHeader(bytes: Buffer): Header {
  if (bytes.length !== readHeaderLength(bytes)) throw invalidSealedFile();
  const exponent = bytes.readUInt8(magic.length + 2);
  if (exponent < frameExponents.min || exponent > frameExponents.max) throw invalidSealedFile();
  const { context, end } = decodeSealedContext(bytes, contextOffset);
  const encryptedDataKey = bytes.subarray(end);
  if (encryptedDataKey.length < 1 || encryptedDataKey.length > maxEncryptedDataKeyLength)
    throw invalidSealedFile();
  return {
    frameSize: 2 ** exponent,
    salt: bytes.subarray(prefixLength, contextOffset),
    encryptionContext: context,
    encryptedDataKey,
  };
}
