// Times and durations for people.

const units = [
  ['y', 31_557_600],
  ['d', 86_400],
  ['h', 3_600],
  ['min', 60],
  ['s', 1],
] as const;

/** Formats a duration in its largest unit, such as `3 d`. @param seconds 0 or more */
export function durationText(seconds: number): string {
  const [unit, length] = units.find(([, length]) => seconds >= length) ?? units.at(-1)!;
  return `${Math.floor(seconds / length)} ${unit}`;
}

/** Formats a time relative to now: `3 d ago`, or `in 3 d`. @param seconds epoch seconds */
export function relativeText(seconds: number, now = Date.now() / 1000): string {
  return seconds > now ? `in ${durationText(seconds - now)}` : `${durationText(now - seconds)} ago`;
}

/** Formats a time: `2027-01-31 12:00 UTC`. @param seconds epoch seconds */
export function timeText(seconds: number): string {
  return `${new Date(seconds * 1000).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}
