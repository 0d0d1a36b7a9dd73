// Finds members of records without parsing the records.

/** The format of times in events. */
export const timePattern = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;

/**
 * Returns the text of `eventTime`, `eventName` or `eventType`. A quoted member name cannot occur inside a string, where
 * quotes are escaped, and these members come before all text that callers choose.
 * @param line a record
 * @returns undefined if there is no such member, or its text does not match
 */
export function memberOf(line: Buffer, name: string, pattern: RegExp): string | undefined {
  const start = `"${name}":"`;
  const at = line.indexOf(start, 0, 'latin1');
  if (at < 0) return undefined;
  const from = at + start.length;
  const value = line.toString('latin1', from, Math.min(line.indexOf(0x22, from), from + 64));
  return pattern.test(value) ? value : undefined;
}
