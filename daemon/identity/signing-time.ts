import { exceptions } from '../../proto/errors.js';

/** How far a client's clock may be off, in milliseconds; AWS's five minutes. */
export const maxSkew = 5 * 60 * 1000;

/**
 * Checks when a request was signed.
 * @param time the header X-Amz-Date
 * @param date the day in Credential
 * @param now epoch milliseconds
 * @returns it in epoch milliseconds
 * @throws IncompleteSignatureException, InvalidSignatureException
 */
export function checkSigningTime(time: string, date: string, now: number): number {
  const parts = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(time);
  const signedAt = parts
    ? Date.UTC(+parts[1]!, +parts[2]! - 1, +parts[3]!, +parts[4]!, +parts[5]!, +parts[6]!)
    : NaN;
  if (Number.isNaN(signedAt) || !time.startsWith(date)) {
    throw new exceptions.IncompleteSignatureException(
      "'X-Amz-Date' must be YYYYMMDDTHHMMSSZ and of the day in Credential.",
    );
  }
  if (Math.abs(signedAt - now) > maxSkew) {
    const off = signedAt < now ? 'expired' : 'not yet current';
    const serverTime = new Date(now).toISOString().replace(/[-:]|\.\d+/g, '');
    throw new exceptions.InvalidSignatureException(
      `Signature ${off}: it was made at ${time}, and the server's time is ${serverTime}. Set the clock.`,
    );
  }
  return signedAt;
}
