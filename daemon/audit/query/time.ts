// Parses the times in a query's arguments.

/** Seconds of the units of relative times. */
const units: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400, w: 604_800 };

const relative = /^([0-9]{1,9})([smhdw])$/;
const absolute =
  /^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?(Z|[+-][0-9]{2}:?[0-9]{2})?)?$/;

/**
 * Parses a time: ISO 8601, in UTC if it has no offset; or relative to now: `90s`, `15m`, `2h`, `7d`, `1w`.
 * @param now epoch milliseconds
 * @returns epoch seconds; undefined if the text is not a time
 */
export function parseTime(text: string, now: number): number | undefined {
  const ago = relative.exec(text);
  if (ago) return now / 1000 - Number(ago[1]) * units[ago[2]!]!;
  const match = absolute.exec(text);
  if (!match) return undefined;
  const isUtc = match[1] !== undefined && match[4] === undefined;
  const seconds = Date.parse(isUtc ? `${text}Z` : text) / 1000;
  return Number.isNaN(seconds) ? undefined : seconds;
}
