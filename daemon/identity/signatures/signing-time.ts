import { IdentityError } from '../errors.js';

/** Maximum deviation of a client's clock in milliseconds: five minutes, as at AWS. */
export const maxSkew = 5 * 60 * 1000;

/**
 * Checks the time of signing.
 * @param time the header X-Amz-Date
 * @param date the day in Credential
 * @param now epoch milliseconds
 * @returns the time of signing in epoch milliseconds
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
      "'X-Amz-Date' must have the format YYYYMMDDTHHMMSSZ and the date in Credential.",
    );
  }
  if (Math.abs(signedAt - now) > maxSkew) {
    // AWS's text: SDKs read the server's time from it and sign again.
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
