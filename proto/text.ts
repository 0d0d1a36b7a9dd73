// Text that came from outside, as messages show it: in errors, log lines and on terminals.

/** Most UTF-16 units that a message shows of one value of a request: more than any name that AWS KMS bounds. */
const longestValue = 512;

/** Most UTF-16 units of a whole message. The longest that Keyhold writes, about two ARNs and an action, has 1,500. */
export const longestMessage = 4_096;

/**
 * Control and format characters (which can move a terminal's cursor or reverse the direction of text), line separators, lone
 * surrogates and noncharacters (which have no encoding in UTF-8 or XML), and private use. As sets of units for a quick look.
 */
const unprintable = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\u2028\u2029\ufffe\uffff]/gu;
const notAscii = /[^\u0020-\u007e]/;

/**
 * Makes text fit to be shown: unprintable characters become `\uXXXX`, and what is longer is cut, which `…` says. Showing what
 * was shown changes nothing.
 * @param most UTF-16 units of the result
 * @returns well-formed Unicode of one line
 */
export function shown(text: string, most = longestValue): string {
  // Escapes only make it longer, so nothing behind this counts.
  const start = firstUnits(text, most);
  const clean = notAscii.test(start) ? start.replace(unprintable, escaped) : start;
  if (text.length <= most && clean.length <= most) return clean;
  return `${firstUnits(clean, most - 1)}…`;
}

/**
 * Text of a request in double quotes, as JSON has it.
 * @param most UTF-16 units between the quotes
 */
export function quote(text: string, most = longestValue): string {
  return `"${shown(text, most).replace(/["\\]/g, '\\$&')}"`;
}

/** Never cuts between the two halves of a character. */
function firstUnits(text: string, most: number): string {
  if (text.length <= most) return text;
  const isHighSurrogate = (text.charCodeAt(most - 1) & 0xfc00) === 0xd800;
  return text.slice(0, isHighSurrogate ? most - 1 : most);
}

function escaped(character: string): string {
  const units = Array.from({ length: character.length }, (_, unit) => character.charCodeAt(unit));
  return units.map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`).join('');
}
