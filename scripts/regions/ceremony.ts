// Links two Regions of one machine by the ceremony that people run: it compares the two fingerprints and types 'yes'.
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Region } from './region.js';

/** Milliseconds until both Regions must be connected. */
const patience = 60_000;
const fingerprint = /^ {4}([0-9a-f]{4}(?: [0-9a-f]{4}){9})$/m;
const question = "Type 'yes'";

/**
 * Links two Regions, unless they are linked already, and waits until they are connected.
 * @param folder where their files are exchanged, in a folder that is removed afterwards
 * @throws Error if a command fails, or the Regions do not connect
 */
export async function ensureLinked(
  one: Region,
  other: Region,
  folder: string,
  signal: AbortSignal,
): Promise<void> {
  const sides = [
    { region: one, peer: other.name },
    { region: other, peer: one.name },
  ];
  const linked = sides.map(({ region, peer }) => region.linkTo(peer));
  if (!linked.every((link) => link?.isLinked)) {
    // After an interruption one side may be linked. Then both make the next generation.
    const generation = Math.max(...linked.map((link) => link?.generation ?? 0)) + 1;
    const exchange = mkdtempSync(join(folder, 'exchange-'));
    try {
      await hold(
        sides.map(({ region, peer }, at) =>
          region.command(
            ...[linked[at]?.isLinked ? 'rotate' : 'link', '--peer-region', peer],
            ...['--generation', String(generation), '--exchange', exchange],
            ...['--officer-pin-command', 'cat', join(region.home, 'tokens/so-pin')],
          ),
        ),
        signal,
      );
    } finally {
      rmSync(exchange, { recursive: true, force: true });
    }
  }
  const end = Date.now() + patience;
  while (!sides.every(({ region, peer }) => region.linkTo(peer)?.isConnected)) {
    if (Date.now() > end) throw new Error('The two Regions are linked, but do not connect to each other.');
    await sleep(200, undefined, { signal });
  }
}

/** Holds the ceremony of two commands. */
async function hold(commands: readonly ChildProcess[], signal: AbortSignal): Promise<void> {
  const stop = () => commands.forEach((command) => command.kill('SIGTERM'));
  signal.addEventListener('abort', stop);
  try {
    const ended = commands.map(async (command) => {
      const [code] = (await once(command, 'exit')) as [number | null];
      if (code !== 0) throw new Error('The Regions were not linked.');
    });
    for (const each of ended) each.catch(() => undefined);
    // A command may end before it is answered.
    for (const { stdin } of commands) stdin?.on('error', () => undefined);
    const confirmed = Promise.all(commands.map((command) => fingerprintOf(command))).then((shown) => {
      if (new Set(shown).size !== 1) throw new Error('The two Regions show different fingerprints.');
      for (const { stdin } of commands) stdin?.write('yes\n');
    });
    await Promise.all([confirmed, ...ended]);
  } finally {
    signal.removeEventListener('abort', stop);
    stop();
  }
}

/** Passes on what a command prints, and waits until it asks. @returns the fingerprint that it shows */
async function fingerprintOf({ stderr }: ChildProcess): Promise<string> {
  let text = '';
  return await new Promise((resolve) =>
    stderr!.on('data', (data: Buffer) => {
      process.stderr.write(data);
      text += data.toString();
      const shown = fingerprint.exec(text)?.[1];
      if (shown !== undefined && text.includes(question)) resolve(shown);
    }),
  );
}
