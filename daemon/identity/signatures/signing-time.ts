import { IdentityError } from '../errors.js';

/** How far a client's clock may be off, in milliseconds; AWS's five minutes. */
export const maxSkew = 5 * 60 * 1000;

/**
 * Checks when a request was signed.
 * @param time the header X-Amz-Date
 * @param date the day in Credential
 * @param now epoch milliseconds
 * @returns it in epoch milliseconds
 * @throws IdentityError (incomplete-signature, invalid-signature)
 */
export function checkSigningTime(time: string, date: string, now: number): number {
  const parts = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(time);
  const signedAt = parts
    ? Date.UTC(+parts[1]!, +parts[2]! - 1, +parts[3]!, +parts[4]!, +parts[5]!, +parts[6]!)
    : NaN;
  if (Number.isNaN(signedAt) || !time.startsWith(date)) {
    throw new IdentityError(
      'incomplete-signature',
      "'X-Amz-Date' must be YYYYMMDDTHHMMSSZ and of the day in Credential.",
    );
  }
  if (Math.abs(signedAt - now) > maxSkew) {
    // AWS's words: SDKs read the server's time from them and sign again.
    const [off, bound, sign] =
      signedAt < now ? ['expired', 'now earlier', '-'] : ['not yet current', 'still later', '+'];
    const limit = basicTime(signedAt < now ? now - maxSkew : now + maxSkew);
    throw new IdentityError(
      'invalid-signature',
      `Signature ${off}: ${time} is ${bound} than ${limit} (${basicTime(now)} ${sign} ${maxSkew / 60_000} min.)`,
    );
  }
  return signedAt;
}

/** @param time epoch milliseconds. @returns YYYYMMDDTHHMMSSZ */
function basicTime(time: number): string {
  return new Date(time).toISOString().replace(/[-:]|\.\d+/g, '');
}
