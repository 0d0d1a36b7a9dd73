// A few rounds of scripts/torture.
import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import t from 'tap';

const program = fileURLToPath(new URL('../../torture/main.js', import.meta.url));

for (const [name, rounds, seed] of [
  ['a fixed seed', 3, 2024],
  ['a random seed', 2, randomInt(1_000_000)],
] as const) {
  void t.test(
    `SIGKILL of daemon and workers under load loses nothing acknowledged and leaves nothing behind: ${name}`,
    async (t) => {
      const child = spawn(process.execPath, [program, '--rounds', String(rounds), '--seed', String(seed)]);
      t.teardown(() => child.kill());
      let printed = '';
      child.stdout.on('data', (data: Buffer) => (printed += data.toString()));
      child.stderr.on('data', (data: Buffer) => (printed += data.toString()));
      const [status] = (await once(child, 'close')) as [number];
      t.comment(printed);
      const found = printed.split('\n').filter((line) => line.startsWith('FOUND: '));
      t.same({ status, found }, { status: 0, found: [] }, `no fault is found with seed ${seed}`);
      t.match(printed, new RegExp(`^${rounds} rounds in`, 'm'));
      t.match(printed, /^ {2}Encrypt ok: [1-9]/m, 'requests were answered meanwhile');
    },
  );
}
