// keyhold recover root-credentials, for lost credentials of the account root.
import { readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { connect } from '../../../client/index.js';
import { TestDaemon } from '../../support/daemon.js';
import { onTerminal } from '../../support/terminal.js';

void t.test('lost root credentials', async (t) => {
  const daemon = await TestDaemon.start(t);
  const first = daemon.credentials;
  const path = join(daemon.home, 'credentials');
  const recover = (...args: string[]) => daemon.cli(['recover', 'root-credentials', '--yes', ...args]);
  const arnOf = async (credentials: { accessKeyId: string; secretAccessKey: string }) => {
    const client = await connect({ url: daemon.url, credentials, timeout: 60_000, maxAttempts: 1 });
    const { arn } = await client.getCallerIdentity({});
    await client.close();
    return arn;
  };
  const root = 'arn:aws:iam::000000000000:root';

  await t.test('recovery is refused while the daemon runs', async (t) => {
    t.match(await recover(), { code: 1, stderr: /another daemon/ });
    t.strictSame(daemon.credentials, first);
  });

  t.equal(await daemon.stop(), 0);
  rmSync(path);
  const bystander = join(daemon.home, 'bystander');
  writeFileSync(bystander, 'stays');
  symlinkSync(bystander, `${path}.new`);

  await t.test('without a terminal it needs --yes', async (t) => {
    t.match(await daemon.cli(['recover', 'root-credentials']), {
      code: 2,
      stderr: /--yes agrees to it. The account root gets another access key/,
    });
  });

  await t.test('at a terminal it shows the last event and asks', (t) => {
    const ask = (answer: string) =>
      onTerminal(daemon, `keyhold recover root-credentials --others delete; echo "status $?"`, answer);
    const refused = ask('n\n');
    t.match(refused, /records, among them 0 keys and 1 access keys\n {2}last event: .*\n/);
    t.match(refused, /Its other access keys are deleted: AKIA/);
    t.match(refused, /Go on\? \[y\/N\] .*Nothing was changed\.\nstatus 1\n/s);
    t.throws(() => statSync(path), { code: 'ENOENT' });
    t.end();
  });

  await t.test('a new access key is written, and the old one stays', async (t) => {
    const { code, stdout, stderr } = await recover();
    t.equal(code, 0, stderr);
    const second = daemon.credentials;
    t.not(second.accessKeyId, first.accessKeyId);
    t.ok(stdout.includes(second.accessKeyId));
    t.notOk((stdout + stderr).includes(second.secretAccessKey), 'the secret is only in the file');
    t.equal(statSync(path).mode & 0o777, 0o600);
    t.equal(readFileSync(bystander, 'utf8'), 'stays', 'no link is followed');
    await daemon.start();
    t.equal(await arnOf(second), root);
    t.equal(await arnOf(first), root);
    t.match(daemon.events('RecoverRootCredentials'), [
      { serviceEventDetails: { accessKeyId: second.accessKeyId, otherAccessKeys: 'keep' } },
    ]);
    t.notOk(JSON.stringify(daemon.auditRecords()).includes(second.secretAccessKey));
    t.equal(await daemon.stop(), 0);
  });

  await t.test('other keys are deactivated or deleted on request; other profiles stay', async (t) => {
    const second = daemon.credentials;
    writeFileSync(path, `[other]\naws_access_key_id = X\n${readFileSync(path, 'utf8')}`);
    t.match(await recover('--others', 'deactivate'), { code: 0, stdout: /deactivated/ });
    t.match(readFileSync(path, 'utf8'), /^\[other\]\naws_access_key_id = X\n\[default\]\n/);
    t.match(await recover('--others', 'none'), { code: 2 });
    const target = join(daemon.home, 'elsewhere');
    symlinkSync(bystander, target);
    t.match(await recover('--credentials-file', target), { code: 1, stderr: /is not a file/ });
    await daemon.start();
    const client = await connect({ url: daemon.url, credentials: defaultOf(path) });
    t.equal(
      (await client.listAccessKeys({})).accessKeyMetadata.filter(({ status }) => status === 'Active').length,
      1,
    );
    await client.close();
    for (const old of [first, second]) await t.rejects(arnOf(old), { code: 'UnrecognizedClientException' });
    t.equal(await daemon.stop(), 0);
    t.match(await recover('--others', 'delete'), { code: 0, stdout: /deleted/ });
    await daemon.start();
    const last = await connect({ url: daemon.url, credentials: defaultOf(path) });
    t.equal((await last.listAccessKeys({})).accessKeyMetadata.length, 1);
    await last.close();
    t.match(await daemon.admin('audit-verify'), { code: 0 });
  });
});

/** The profile `default` of a credentials file. */
function defaultOf(path: string): { accessKeyId: string; secretAccessKey: string } {
  const text = readFileSync(path, 'utf8').split('[default]')[1] ?? '';
  const value = (name: string) => new RegExp(`${name} = (\\S+)`).exec(text)?.[1] ?? '';
  const [accessKeyId, secretAccessKey] = ['aws_access_key_id', 'aws_secret_access_key'].map(value);
  return { accessKeyId: accessKeyId!, secretAccessKey: secretAccessKey! };
}
