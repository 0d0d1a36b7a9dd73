// Reads numbers and times of command lines and JSON. What would become another value than was written is refused.
import type { Tree } from './shorthand.js';

/** Reads a whole number. @returns undefined for anything else, and for one that a double cannot hold exactly */
export function wholeNumberOf(value: Tree): number | undefined {
  const isText = typeof value === 'string' && /^\s*-?[0-9]+\s*$/.test(value);
  const number = isText ? Number(value) : value;
  return typeof number === 'number' && Number.isSafeInteger(number) ? number : undefined;
}

/** Reads true or false, as JSON or as a word. @returns undefined for anything else */
export function booleanOf(value: Tree): boolean | undefined {
  if (typeof value === 'boolean') return value;
  return value === 'true' ? true : value === 'false' ? false : undefined;
}

/** Why a text is not taken as a time; the last part of a sentence that begins with the option. */
export type TimeFault = string;

const form = 'takes a time such as 2027-01-31T12:00:00Z, or seconds since 1970';
const iso =
  /^(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?(Z|z|[+-]\d\d(?::?\d\d)?)?)?$/;
/** The end of the year 9999, the last one that has four digits. */
const lastSecond = 253_402_300_799;

/**
 * Reads a time: ISO 8601 with a time zone, or seconds since 1970. Without a zone the AWS CLI takes the zone of the machine,
 * so that the same command means another time elsewhere.
 * @returns epoch seconds, or why it is refused
 */
export function timeOf(value: Tree): number | TimeFault {
  const text = typeof value === 'string' || typeof value === 'number' ? String(value).trim() : '';
  const seconds = /^-?[0-9]+(\.[0-9]+)?$/.test(text) ? Number(text) : isoSeconds(text);
  if (typeof seconds === 'string') return seconds;
  return Math.abs(seconds) <= lastSecond
    ? seconds
    : `${form}; this one is after the year 9999: are these milliseconds?`;
}

function isoSeconds(text: string): number | TimeFault {
  const parts = iso.exec(text);
  if (!parts) return form;
  const [, year, month, day, hour = '00', minute = '00', second = '00', fraction = '0', zone] = parts;
  if (zone === undefined)
    return `takes a time with its time zone, which '${text}' lacks: ${year}-${month}-${day}T${hour}:${minute}:${second}Z is in UTC`;
  const local = `${year}-${month}-${day}T${hour}:${minute}:${second}`;
  const milliseconds = Date.parse(`${local}Z`);
  // Date.parse makes a day of March of the 30th of February.
  if (Number.isNaN(milliseconds) || !new Date(milliseconds).toISOString().startsWith(local))
    return `${form}; there is no ${local}`;
  const offset = /^([+-])(\d\d):?(\d\d)?$/.exec(zone);
  const minutes = offset ? Number(`${offset[1]}1`) * (Number(offset[2]) * 60 + Number(offset[3] ?? 0)) : 0;
  return milliseconds / 1000 - minutes * 60 + Number(`0.${fraction}`);
}
