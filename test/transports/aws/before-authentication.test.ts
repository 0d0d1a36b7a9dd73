// The cost of unauthenticated requests: while the HSM hangs, requests that fail authentication are refused at once, and
// around midnight a request that waits for the HSM does not affect requests of the next day.
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import t from 'tap';
import { send } from '../../support/aws/aws-request.js';
import { MovableClock } from '../../support/clock.js';
import { TestDaemon } from '../../support/daemon.js';
import { upgrade } from '../../support/wire/upgrade.js';

const account = '000000000000';

/** Stops or continues the HSM workers of a daemon. */
function signalWorkers({ pid }: TestDaemon, signal: 'SIGSTOP' | 'SIGCONT'): void {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ');
  for (const child of children.filter(Boolean)) process.kill(Number(child), signal);
}

void t.test('before authentication nothing reaches the HSM', async (t) => {
  const daemon = await TestDaemon.start(t, 'limits:\n  failedAuthentications: 20');
  const root = await daemon.connect();
  t.teardown(() => root.close());
  const statement = { Effect: 'Allow', Principal: { AWS: account }, Action: 'sts:AssumeRole' };
  const assumeRolePolicyDocument = JSON.stringify({ Version: '2012-10-17', Statement: [statement] });
  await root.createRole({ roleName: 'worker', assumeRolePolicyDocument });
  await root.createUser({ userName: 'alice' });
  const { accessKey } = await root.createAccessKey({ userName: 'alice' });
  const known = { accessKeyId: accessKey.accessKeyId, secretAccessKey: accessKey.secretAccessKey };
  t.match(
    await send(daemon, known),
    { __type: 'AccessDeniedException' },
    'a correct signature makes the access key known',
  );
  signalWorkers(daemon, 'SIGSTOP');
  t.teardown(() => signalWorkers(daemon, 'SIGCONT'));

  const token = (bytes: Buffer) => ({ headers: { 'x-amz-security-token': bytes.toString('base64') } });
  const madeUp = {
    'an unknown access key': () => ({ accessKeyId: `AKIA${'Q'.repeat(16)}`, secretAccessKey: 'x' }),
    'a token of the present form': () => ({
      accessKeyId: `ASIA${'Q'.repeat(16)}`,
      ...token(Buffer.concat([Buffer.of(2), randomBytes(200)])),
    }),
    'a token of the former form': () => ({
      accessKeyId: `ASIA${'Q'.repeat(16)}`,
      ...token(Buffer.concat([Buffer.of(1), randomBytes(200)])),
    }),
    'a known access key and a wrong secret': () => ({ accessKeyId: known.accessKeyId, secretAccessKey: 'x' }),
  };
  for (const [name, make] of Object.entries(madeUp))
    await t.test(name, async (t) => {
      const codes = new Set<string | undefined>();
      for (let count = 0; count < 30; count++) codes.add((await send(daemon, make())).__type);
      t.ok(
        [...codes].every((code) => /^(UnrecognizedClient|InvalidSignature|Throttling)Exception$/.test(code!)),
        [...codes].join(),
      );
      const { headers, ...credentials } = { headers: {} as Record<string, string>, ...make() };
      const sessionToken = headers['x-amz-security-token'];
      for (const url of [undefined, daemon.wss])
        await t.rejects(
          upgrade(daemon, { ...credentials, sessionToken }, url),
          /security token included in the request is invalid|Too many failed/,
        );
    });

  await t.test('throttling affects the source and the access key, and no other known key', async (t) => {
    t.match(await send(daemon, { ...known, secretAccessKey: 'x' }), { __type: 'ThrottlingException' });
    t.match(
      await send(daemon, { accessKeyId: `AKIA${'R'.repeat(16)}`, secretAccessKey: 'x' }),
      { __type: 'ThrottlingException' },
      'an access key that does not exist is throttled with its source',
    );
    signalWorkers(daemon, 'SIGCONT');
    t.match(
      await send(daemon, known),
      { __type: 'AccessDeniedException' },
      'an access key that signed correctly from there before is not throttled',
    );
    t.match(await send(daemon, {}), { status: 200 }, 'another access key is not throttled');
  });

  await t.test('an access key that fails too often before it ever succeeds must wait', async (t) => {
    const made = (await root.createAccessKey({ userName: 'alice' })).accessKey;
    const late = { accessKeyId: made.accessKeyId, secretAccessKey: made.secretAccessKey };
    let codes: (string | undefined)[] = [];
    // A minute may end in between, which resets the count.
    for (let round = 0; round < 2 && codes.at(-1) !== 'ThrottlingException'; round++) {
      codes = [];
      for (let count = 0; count < 25; count++)
        codes.push((await send(daemon, { ...late, secretAccessKey: 'x' })).__type);
      codes.push((await send(daemon, late)).__type);
    }
    t.equal(codes.at(-1), 'ThrottlingException');
  });

  await t.test('the log has only a few lines about these requests', (t) => {
    const lines = daemon.stderr.split('\n').filter((line) => line.includes('was refused')).length;
    t.ok(lines > 0 && lines < 60, `${lines} lines`);
    t.end();
  });
});

void t.test('requests in flight at midnight are answered', async (t) => {
  const daemon = await TestDaemon.initialise();
  t.teardown(() => daemon.remove());
  const clock = new MovableClock(daemon.home);
  const seconds = (until: number) => `+${Math.ceil((until - Date.now()) / 1000)}`;
  const midnight = new Date().setUTCHours(24, 0, 0, 0);
  const offset = (shift: number) => Number(seconds(midnight + shift)) * 1000;
  clock.move(seconds(midnight - 60_000));
  await daemon.start(clock.env);
  signalWorkers(daemon, 'SIGSTOP');
  const before = offset(-60_000);
  const old = Array.from({ length: 5 }, () => send(daemon, { skew: before }));
  await new Promise((done) => setTimeout(done, 500));
  clock.move(seconds(midnight + 30_000));
  const after = offset(30_000);
  const unknown = { accessKeyId: `AKIA${'Q'.repeat(16)}`, secretAccessKey: 'x' };
  const stranger = await send(daemon, { ...unknown, skew: after });
  t.match(stranger, { __type: 'UnrecognizedClientException' });
  const fresh = Array.from({ length: 5 }, () => send(daemon, { skew: after }));
  await new Promise((done) => setTimeout(done, 500));
  signalWorkers(daemon, 'SIGCONT');
  for (const reply of await Promise.all([...old, ...fresh])) t.match(reply, { status: 200 }, reply.text);
  for (const skew of [before, after, before, after])
    t.match(await send(daemon, { skew }), { status: 200 }, 'each day has its signing key');
});
