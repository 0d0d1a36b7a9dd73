// The body of a response that refuses the upgrade to a WebSocket. socket.ts loads this file where there is one: a schema
// library would take a quarter of the run time of a command.
import * as z from 'zod/mini';
import { exceptions, isErrorCode, type ServiceError } from '../../proto/errors.js';

const refusalBody = z.object({ __type: z.string(), message: z.optional(z.string()) });

/**
 * Reads the error with which a daemon refuses an upgrade, as AWS's JSON protocol has it.
 * @param body the whole body of the response
 * @returns undefined where the body is not a daemon's
 */
export function readRefusal(body: Buffer): ServiceError | undefined {
  let json: unknown;
  try {
    json = JSON.parse(body.toString('utf8'));
  } catch {
    return undefined;
  }
  const { success, data } = refusalBody.safeParse(json);
  const code = success ? data.__type.replace(/^.*#/, '') : '';
  return isErrorCode(code) ? new exceptions[code](data?.message ?? '') : undefined;
}
