// Members of records, found without parsing the records.

/** A time as events have it. */
export const timePattern = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;

/**
 * The text of `eventTime`, `eventName` or `eventType`. A member's name in quotes cannot be inside a string, where quotes are
 * escaped, and these members come before all text that callers choose.
 * @param line of a record
 * @returns undefined if there is none, or it does not match
 */
export function memberOf(line: Buffer, name: string, pattern: RegExp): string | undefined {
  const start = `"${name}":"`;
  const at = line.indexOf(start, 0, 'latin1');
  if (at < 0) return undefined;
  const from = at + start.length;
  const value = line.toString('latin1', from, Math.min(line.indexOf(0x22, from), from + 64));
  return pattern.test(value) ? value : undefined;
}
