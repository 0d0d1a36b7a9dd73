// A handful of the rounds of scripts/torture.
import { randomInt } from 'node:crypto';
import t from 'tap';
import { torture } from '../torture/torture.js';

for (const [name, rounds, seed] of [
  ['a fixed seed', 3, 2024],
  ['a random seed', 2, randomInt(1_000_000)],
] as const) {
  void t.test(
    `SIGKILL of daemon and workers under load loses nothing acknowledged and leaves nothing behind: ${name}`,
    async (t) => {
      const report = await torture({ seed, goesOn: (done) => done < rounds, say: (line) => t.comment(line) });
      t.comment(`seed ${seed}: ${report.facts}`);
      t.equal(report.rounds, rounds);
      t.strictSame(report.findings, [], `with seed ${seed}`);
      t.ok((report.totals.get('Encrypt ok') ?? 0) > 0, 'there was load');
      if (report.findings.length === 0) await report.daemon.remove();
    },
  );
}
