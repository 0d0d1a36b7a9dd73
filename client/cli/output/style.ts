// Colors and width of a terminal.

/** Parameters of SGR (ECMA-48, section 8.3.117) that switch a style on and off. */
const codes = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
} as const;

/** A style of text. */
export type Style = keyof typeof codes;

/** Applies a style to text, or returns the text unchanged if colors are off. */
export type Paint = (style: Style, text: string) => string;

/** When to use colors: the values of the AWS CLI's --color. */
export const colorChoices = ['on', 'off', 'auto'] as const;
/** When to use colors. */
export type ColorChoice = (typeof colorChoices)[number];

let choice: ColorChoice = 'auto';

/** Sets when to use colors in this process. */
export function chooseColors(chosen: ColorChoice): void {
  choice = chosen;
}

/**
 * Returns the styles for a stream. With `auto`, colors are used on a terminal unless NO_COLOR is set (https://no-color.org)
 * or TERM is `dumb`.
 */
export function paintFor(stream: NodeJS.WriteStream): Paint {
  const { NO_COLOR, TERM } = process.env;
  const isAuto = stream.isTTY && !NO_COLOR && TERM !== 'dumb';
  return (choice === 'auto' ? isAuto : choice === 'on') ? paint : (_style, text) => text;
}

function paint(style: Style, text: string): string {
  const [on, off] = codes[style];
  return text === '' ? '' : `\x1b[${on}m${text}\x1b[${off}m`;
}

/** The width of a terminal in columns, and its colors. */
export interface Screen {
  readonly width: number;
  readonly paint: Paint;
}

/** Columns if the output is not a terminal. */
const usualWidth = 80;

/** Returns the screen of standard output. */
export function standardScreen(): Screen {
  return { width: process.stdout.columns || usualWidth, paint: paintFor(process.stdout) };
}
