// scripts/start-regions starts two Regions, links them once, and stops both.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { checkout } from '../../support/paths.js';

t.setTimeout(600_000);

interface Started {
  readonly child: ChildProcess;
  readonly output: () => string;
}

async function start(t: Test, home: string): Promise<Started> {
  const { PATH, HOME, TMPDIR } = process.env;
  const child = spawn(join(checkout, 'scripts/start-regions'), [], {
    env: { PATH, HOME, TMPDIR, KEYHOLD_HOME: home, KEYHOLD_PORT: '0' },
    // A group of its own, to which the test sends what Ctrl-C sends.
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  t.teardown(() => child.exitCode === null && process.kill(-child.pid!, 'SIGKILL'));
  let [output, errors] = ['', ''];
  child.stderr.on('data', (data: Buffer) => (errors += data.toString()));
  await new Promise<void>((resolve, reject) => {
    child.stdout.on('data', (data: Buffer) => {
      output += data.toString();
      if (/^ready\n$/m.test(output)) resolve();
    });
    child.once('close', (code) => reject(new Error(`it ended with ${code}: ${output}${errors}`)));
  });
  return { child, output: () => output + errors };
}

void t.test('two linked Regions', async (t) => {
  const home = mkdtempSync(join(tmpdir(), 'kh-'));
  t.teardown(() => rmSync(home, { recursive: true, force: true, maxRetries: 5 }));
  for (const attempt of ['first', 'second'] as const) {
    const { child, output } = await start(t, home);
    t.equal(output().includes("Type 'yes'"), attempt === 'first', `they are linked by the ${attempt} start`);
    for (const [region, peer] of [
      ['us-east-1', 'eu-central-1'],
      ['eu-central-1', 'us-east-1'],
    ] as const) {
      const commands = '. "$0/env" && echo "$AWS_REGION" && keyhold region list --output json';
      const [name, ...json] = execFileSync('bash', ['-c', commands, join(home, region)], { encoding: 'utf8' })
        .trim()
        .split('\n');
      t.equal(name, region);
      t.match(JSON.parse(json.join('\n')), {
        Links: [{ PeerRegion: peer, Generation: 1, Connection: 'CONNECTED' }],
      });
      const pins = ['pin', 'so-pin'].map((file) => readFileSync(join(home, region, 'tokens', file), 'utf8'));
      for (const pin of pins) t.notOk(output().includes(pin.trim()), 'no PIN is printed');
    }
    t.same(readdirSync(home).sort(), ['eu-central-1', 'us-east-1'], 'no exchanged file is left');
    process.kill(-child.pid!, 'SIGINT');
    const [code] = (await once(child, 'exit')) as [number];
    t.equal(code, 0);
    t.throws(() => process.kill(-child.pid!, 0), 'no process is left');
  }
});
