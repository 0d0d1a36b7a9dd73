// The messages between Regions: JSON in text frames of WebSocket. The Region that dials asks, the other one answers.
import { z } from 'zod';
import type { ServiceError } from '../../../proto/errors.js';
import { longestMessage, shown } from '../../../proto/text.js';
import { largestMessage } from '../peer.js';

/** The WebSocket subprotocol. */
export const subprotocol = 'keyhold.regions.v1';

/** WebSocket close codes, RFC 6455 section 7.4.1. */
export const closeCodes = { goingAway: 1001, unsupportedData: 1003, invalidPayload: 1007 } as const;

/** Options of both ends of a WebSocket. */
export const webSocketOptions = {
  maxPayload: largestMessage,
  // Parts of an incomplete message cost some hundred bytes each, however short they are.
  maxFragments: 128,
  maxBufferedChunks: 4_096,
  perMessageDeflate: false,
} as const;

const id = z.int().min(1).max(Number.MAX_SAFE_INTEGER);

const request = z.strictObject({
  /** Unique among the requests in flight on the connection. */
  id,
  name: z.string().regex(/^[A-Za-z]{1,64}$/),
  body: z.unknown(),
});

const answer = z.union([
  z.strictObject({ id, body: z.unknown() }),
  z.strictObject({
    id,
    error: z.strictObject({ code: z.string().regex(/^[A-Za-z]{1,64}$/), message: z.string() }),
  }),
]);

/** A request of another Region. */
export type RegionRequest = z.output<typeof request>;
/** An answer of another Region. */
export type RegionAnswer = z.output<typeof answer>;

/** Reads a request. @returns undefined if it is none */
export function readRequest(data: unknown): RegionRequest | undefined {
  return request.safeParse(parsed(data)).data;
}

/** Reads an answer. @returns undefined if it is none */
export function readAnswer(data: unknown): RegionAnswer | undefined {
  const read = answer.safeParse(parsed(data)).data;
  if (read === undefined || !('error' in read)) return read;
  const { code, message } = read.error;
  return { id: read.id, error: { code, message: shown(message, longestMessage) } };
}

/** Encodes a request. @throws TypeError if the body cannot be JSON */
export function encodeRequest(frame: RegionRequest): string {
  return JSON.stringify({ ...frame, body: frame.body ?? null });
}

/** Encodes the answer to a request. @throws TypeError if the body cannot be JSON */
export function encodeAnswer(id: number, body: unknown): string {
  return JSON.stringify({ id, body: body ?? null });
}

/** Encodes an error as the answer to a request. */
export function encodeRefusal(id: number, { code, message }: Pick<ServiceError, 'code' | 'message'>): string {
  return JSON.stringify({ id, error: { code, message } });
}

/** Whether a frame is short enough to be sent. */
export function fits(frame: string): boolean {
  return Buffer.byteLength(frame) <= largestMessage;
}

function parsed(data: unknown): unknown {
  if (!Buffer.isBuffer(data)) return undefined;
  try {
    return JSON.parse(data.toString('utf8'));
  } catch {
    return undefined;
  }
}
