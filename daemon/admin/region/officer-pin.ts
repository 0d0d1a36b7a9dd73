// The PIN of the token's security officer: from a terminal, or from a program that prints it. It is in no file, argument or log.
import { Option, type Command } from 'commander';
import { readPin } from '../../config/pin.js';
import type { Profile } from '../../config/profile.js';
import type { AskPin } from '../../hsm/link/index.js';
import { UsageError } from '../program.js';
import { Interrupted } from './interruption.js';

const longestPin = 255;
const keys = {
  interrupt: 0x03,
  end: 0x04,
  backspace: 0x08,
  lineFeed: 0x0a,
  enter: 0x0d,
  clear: 0x15,
  erase: 0x7f,
};

/** Adds `--officer-pin-command`. */
export function addOfficerPinOption(command: Command, text: string): Command {
  return command.addOption(new Option('--officer-pin-command <words...>', text));
}

/**
 * Makes what asks for the PIN of the security officer.
 * @param command a program and its arguments; the first line that it prints is the PIN
 * @param tokenName for the question
 * @throws UsageError if there is neither a command nor a terminal
 */
export function officerPin(
  command: readonly string[] | undefined,
  { home, login, tokenName }: Pick<Profile, 'login'> & { readonly home: string; readonly tokenName: string },
): AskPin {
  if (login.protectedPath) return () => Buffer.alloc(0);
  if (command) return () => readPin({ command: [...command] }, home);
  if (process.stdin.isTTY && process.stderr.isTTY)
    return () => askHidden(`PIN of the security officer of token '${tokenName}': `);
  throw new UsageError(
    'the PIN of the security officer is asked for at a terminal, and here is none: --officer-pin-command names a program that prints it.',
  );
}

/** Reads a line that is not shown. @returns UTF-8, which the caller wipes @throws Interrupted */
function askHidden(question: string): Promise<Buffer> {
  const { stdin, stderr } = process;
  const typed = Buffer.alloc(longestPin);
  let length = 0;
  // Before the question: whoever answers at once must not see the PIN.
  stdin.setRawMode(true).resume();
  stderr.write(question);
  return new Promise<Buffer>((resolve, reject) => {
    const end = (settle: () => void) => {
      stdin.off('data', read).off('end', ended).setRawMode(false).pause();
      stderr.write('\n');
      settle();
      typed.fill(0);
    };
    const ended = () => end(() => reject(new Interrupted()));
    const read = (data: Buffer) => {
      for (const byte of data) {
        if (byte === keys.interrupt || (byte === keys.end && length === 0)) return ended();
        if (byte === keys.enter || byte === keys.lineFeed)
          return end(() => resolve(Buffer.from(typed.subarray(0, length))));
        if (byte === keys.clear) length = 0;
        else if (byte === keys.erase || byte === keys.backspace) length = withoutLast(typed, length);
        else if (byte >= 0x20 && length < longestPin) typed[length++] = byte;
      }
      data.fill(0);
    };
    stdin.on('data', read).on('end', ended);
  });
}

/** Returns the length without the last character of UTF-8. */
function withoutLast(text: Buffer, length: number): number {
  let end = Math.max(0, length - 1);
  while (end > 0 && (text[end]! & 0xc0) === 0x80) end--;
  return end;
}
