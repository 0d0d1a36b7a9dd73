// Makes untrusted text safe to show in errors, log lines and on terminals.

/** Maximum UTF-16 units of one value in a message: longer than any name that AWS KMS allows. */
const longestValue = 512;

/** Maximum UTF-16 units of a whole message. Keyhold's longest messages, with two ARNs and an action, have about 1,500. */
export const longestMessage = 4_096;

/**
 * Control and format characters (which can move a terminal's cursor or reverse the direction of text), line separators, lone
 * surrogates and noncharacters (which have no encoding in UTF-8 or XML), and private-use characters.
 */
const unprintable = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\u2028\u2029\ufffe\uffff]/gu;
const notAscii = /[^\u0020-\u007e]/;

/**
 * Makes text safe to show: unprintable characters become `\uXXXX`, and text that is too long is cut and ends with `…`.
 * It is idempotent.
 * @param most maximum UTF-16 units of the result
 * @returns one line of well-formed Unicode
 */
export function shown(text: string, most = longestValue): string {
  // Escapes only make the text longer, so the rest is never shown.
  const start = firstUnits(text, most);
  const clean = notAscii.test(start) ? start.replace(unprintable, escaped) : start;
  if (text.length <= most && clean.length <= most) return clean;
  return `${firstUnits(clean, most - 1)}…`;
}

/**
 * Quotes text like a JSON string, and makes it safe to show.
 * @param most maximum UTF-16 units between the quotes
 */
export function quote(text: string, most = longestValue): string {
  return `"${shown(text, most).replace(/["\\]/g, '\\$&')}"`;
}

/** Returns the beginning of a text, without splitting a surrogate pair. */
function firstUnits(text: string, most: number): string {
  if (text.length <= most) return text;
  const isHighSurrogate = (text.charCodeAt(most - 1) & 0xfc00) === 0xd800;
  return text.slice(0, isHighSurrogate ? most - 1 : most);
}

function escaped(character: string): string {
  const units = Array.from({ length: character.length }, (_, unit) => character.charCodeAt(unit));
  return units.map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`).join('');
}
