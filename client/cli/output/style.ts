// Colors and width of a terminal.

/** Parameters of SGR (ECMA-48, section 8.3.117): on and off. */
const codes = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
} as const;

/** A way to set off text. */
export type Style = keyof typeof codes;

/** Sets off text, or returns it as it is where colors are off. */
export type Paint = (style: Style, text: string) => string;

/** When colors are used, as the AWS CLI's --color names it. */
export const colorChoices = ['on', 'off', 'auto'] as const;
export type ColorChoice = (typeof colorChoices)[number];

let choice: ColorChoice = 'auto';

/** Sets when this process uses colors. */
export function chooseColors(chosen: ColorChoice): void {
  choice = chosen;
}

/**
 * The colors of a stream. With `auto` there are some on a terminal, unless NO_COLOR is set (https://no-color.org) or TERM is
 * `dumb`.
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

/** How output looks: the columns of the terminal, and its colors. */
export interface Screen {
  readonly width: number;
  readonly paint: Paint;
}

/** Columns where the output is no terminal. */
const usualWidth = 80;

/** The screen that standard output is. */
export function standardScreen(): Screen {
  return { width: process.stdout.columns || usualWidth, paint: paintFor(process.stdout) };
}
