// Checkpoints: records in the log with a signature over the hash of an earlier, durable record. As each hash covers the one
// before, a checkpoint authenticates every record up to the one that it names.
import { z } from 'zod';
import type { ChainHead } from './chain.js';
import { eventTime, withoutBraces } from './event.js';

/**
 * Maximum distance between a checkpoint and the record that it names. A verifier keeps that many hashes, so its memory is
 * constant. At 30,000 records per second this corresponds to 8 s.
 */
export const checkpointReach = 262_144;

/** The start of the members of a checkpoint's record; no event starts like this. */
export const checkpointMark = '"eventType":"KeyholdCheckpoint",';

/** A checkpoint. */
export interface Checkpoint extends ChainHead {
  /** CKA_ID of the signing key, hex. */
  readonly keyId: string;
  /** ECDSA P-256 over SHA-256 of `checkpointMessage`, DER (RFC 3279, section 2.2.3), base64. */
  readonly signature: string;
}

const checkpointRecord = z.object({
  checkpoint: z.strictObject({
    sequence: z.int().positive(),
    hash: z.hex().length(64),
    keyId: z.string(),
    signature: z.base64(),
  }),
});

const domain = Buffer.from('keyhold audit checkpoint v1\0', 'latin1');

/**
 * The signed message: the 28 bytes `keyhold audit checkpoint v1` and NUL, with which no other message that the key signs
 * begins; the sequence number (8 bytes, big-endian); the record's hash (32 bytes).
 */
export function checkpointMessage({ sequence, hash }: ChainHead): Buffer {
  const number = Buffer.alloc(8);
  number.writeBigUInt64BE(BigInt(sequence));
  return Buffer.concat([domain, number, Buffer.from(hash, 'hex')]);
}

/** The JSON members of a checkpoint's record. */
export function checkpointMembers(checkpoint: Checkpoint): string {
  const { sequence, hash, keyId, signature } = checkpoint;
  const members = { eventTime: eventTime(), checkpoint: { sequence, hash, keyId, signature } };
  return checkpointMark + withoutBraces(members);
}

/** Whether a line is a checkpoint's record. @param membersAt as {@link parseStart} returns it */
export function isCheckpoint(line: Buffer, membersAt: number): boolean {
  return line.toString('latin1', membersAt, membersAt + checkpointMark.length) === checkpointMark;
}

/** Parses a checkpoint's record. @returns undefined if it is malformed */
export function parseCheckpoint(line: Buffer): Checkpoint | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line.toString());
  } catch {
    return undefined;
  }
  return checkpointRecord.safeParse(value).data?.checkpoint;
}
