// keyhold audit query and verify on the log of a real daemon, and the events of the daemon's own actions.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { TestDaemon } from '../../support/daemon.js';

void t.test('a real log is queried with and without its daemon, and every edit is reported', async (t) => {
  const daemon = await TestDaemon.start(t);
  const root = await daemon.connect();
  const keyId = (await root.createKey({})).keyMetadata.keyId;
  const other = (await root.createKey({})).keyMetadata.keyId;
  await root.createAlias({ aliasName: 'alias/app', targetKeyId: keyId });
  await root.createUser({ userName: 'alice' });
  const { accessKey } = await root.createAccessKey({ userName: 'alice' });
  const credentials = {
    accessKeyId: accessKey.accessKeyId,
    secretAccessKey: accessKey.secretAccessKey,
  };
  const alice = await daemon.connect({ credentials });
  const plaintext = Buffer.from('x');
  await t.rejects(alice.encrypt({ keyId, plaintext }), { code: 'AccessDeniedException' });
  const assumeRolePolicyDocument = JSON.stringify({
    Version: '2012-10-17',
    Statement: [
      {
        Effect: 'Allow',
        Principal: { AWS: 'arn:aws:iam::000000000000:user/alice' },
        Action: 'sts:AssumeRole',
      },
    ],
  });
  const { role } = await root.createRole({ roleName: 'worker', assumeRolePolicyDocument });
  const assumed = await alice.assumeRole({ roleArn: role.arn, roleSessionName: 'one' });
  const { accessKeyId, secretAccessKey, sessionToken } = assumed.credentials;
  const session = {
    accessKeyId: accessKeyId,
    secretAccessKey: secretAccessKey,
    sessionToken: sessionToken,
  };
  const worker = await daemon.connect({ credentials: session });
  await t.rejects(worker.describeKey({ keyId }), { code: 'AccessDeniedException' });
  await root.encrypt({ keyId: 'alias/app', plaintext });
  await root.encrypt({ keyId: other, plaintext });
  for (const client of [root, alice, worker]) await client.close();

  const query = async (...args: string[]) => {
    const { code, stdout, stderr } = await daemon.admin('audit-query', args);
    t.strictSame([code, stderr], [0, ''], args.join(' '));
    return stdout
      .split('\n')
      .slice(0, -1)
      .map((line) => (JSON.parse(line) as { eventName?: string }).eventName);
  };
  const ofKey = ['CreateKey', 'CreateAlias', 'Encrypt', 'DescribeKey', 'Encrypt'];
  t.strictSame(await query('--key', keyId), ofKey);
  t.strictSame(await query('--principal', 'alice', '--since', '1h'), [
    'OpenConnection',
    'Encrypt',
    'AssumeRole',
  ]);
  t.strictSame(await query('--principal', credentials.accessKeyId, '--error', 'AccessDeniedException'), [
    'Encrypt',
  ]);
  const ofRole = ['OpenConnection', 'DescribeKey'];
  t.strictSame(await query('--principal', role.arn), ofRole, 'a role finds the events of its sessions');
  t.equal(await daemon.stop(), 0);
  t.strictSame(await query('--key', `arn:aws:kms:us-east-1:000000000000:key/${keyId}`), ofKey);
  t.strictSame(await query('--key', 'alias/app', '--event', 'Encrypt'), ['Encrypt']);
  t.strictSame(await query('--principal', 'keyhold'), ['StartService', 'StopService']);
  t.match(await daemon.cli(['audit', 'query', '--since', 'soon']), { code: 2, stderr: /--since 'soon'/ });

  const file = join(daemon.home, 'audit/audit-00000001.jsonl');
  const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1);
  t.match(lines.at(-1), /KeyholdCheckpoint/, 'a clean stop signs the log with a checkpoint');
  const at = lines.findIndex((line) => line.includes('"CreateAlias"'));
  const edits: [string, string[], string, number][] = [
    ['changed', lines.with(at, lines[at]!.replace('alias/app', 'alias/abb')), 'changed', at + 1],
    ['removed', lines.toSpliced(at, 1), 'removed', at + 1],
    ['inserted', lines.toSpliced(at, 0, lines[at]!), 'inserted', at + 2],
    ['reordered', lines.with(at, lines[at + 1]!).with(at + 1, lines[at]!), 'reordered', at + 1],
    ['truncated', lines.slice(0, at), 'truncated', at + 1],
  ];
  const verify = async () => {
    const args = ['--json', '--expect-checkpoint', String(lines.length - 1)];
    const { code, stdout } = await daemon.admin('audit-verify', args);
    return {
      code,
      ...(JSON.parse(stdout) as { fault?: { kind: string; sequence: number; line: number } }),
    };
  };
  t.match(await verify(), { code: 0, fault: undefined });
  for (const [name, edited, kind, sequence] of edits) {
    writeFileSync(file, edited.map((line) => `${line}\n`).join(''));
    t.match(await verify(), { code: 1, fault: { kind, sequence, file: 'audit-00000001.jsonl' } }, name);
  }
});
