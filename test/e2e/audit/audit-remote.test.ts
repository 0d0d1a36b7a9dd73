// keyhold audit query and tail through the daemon, for callers with the permission.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import t from 'tap';
import { TestDaemon } from '../../support/daemon.js';
import { checkout } from '../../support/paths.js';

void t.test('callers with the permission read the audit log through the daemon, in pages', async (t) => {
  const daemon = await TestDaemon.start(t);
  const root = await daemon.connect();
  t.teardown(() => root.close());
  const { keyMetadata } = await root.createKey({});
  const { keyId } = keyMetadata;
  const plaintext = Buffer.from('x');
  for (let n = 0; n < 25; n++) await root.encrypt({ keyId, plaintext });
  await t.rejects(root.describeKey({ keyId: 'alias/none' }), { code: 'NotFoundException' });

  const ofKey = (lines: string[]) => lines.filter((line) => line.includes('"Encrypt"'));
  const inLog = ofKey(daemon.auditRecords().map((each) => JSON.stringify(each)));
  const found: string[] = [];
  for (let marker: string | undefined, more = true; more;) {
    const page = await root.queryAudit({ event: 'Encrypt', key: keyId, limit: 10, marker });
    t.ok((page.records ?? []).length <= 10);
    found.push(...(page.records ?? []));
    marker = page.nextMarker;
    more = marker !== undefined;
  }
  t.same(
    found.map((line) => JSON.parse(line) as unknown),
    inLog.reverse().map((line) => JSON.parse(line) as unknown),
  );

  const { nextMarker } = await root.queryAudit({ event: 'Encrypt', limit: 1 });
  await t.rejects(root.queryAudit({ event: 'Decrypt', marker: nextMarker }), {
    code: 'InvalidMarkerException',
  });
  await t.rejects(root.queryAudit({ since: 'yesterday' }), {
    code: 'ValidationException',
    message: /ISO 8601/,
  });
  t.match(daemon.events('QueryAudit').at(-1), { requestParameters: { since: 'yesterday' }, readOnly: true });

  await root.createUser({ userName: 'auditor' });
  const { accessKey } = await root.createAccessKey({ userName: 'auditor' });
  const text = `[auditor]\naws_access_key_id = ${accessKey.accessKeyId}\naws_secret_access_key = ${accessKey.secretAccessKey}\n`;
  const credentials = join(daemon.home, 'auditor-credentials');
  writeFileSync(credentials, text);
  // As on a machine without the daemon's home.
  const env = { AWS_SHARED_CREDENTIALS_FILE: credentials, AWS_PROFILE: 'auditor', KEYHOLD_HOME: '' };
  const tail = ['audit', 'tail', '-n', '2'];
  t.match(await daemon.cli([...tail, '--remote'], { env }), { code: 1, stderr: /AccessDenied.*QueryAudit/ });
  const statement = { Effect: 'Allow', Action: 'keyhold:QueryAudit', Resource: '*' };
  const policyDocument = JSON.stringify({ Version: '2012-10-17', Statement: [statement] });
  const { policy } = await root.createPolicy({ policyName: 'auditor', policyDocument });
  await root.attachUserPolicy({ userName: 'auditor', policyArn: policy.arn });
  const failures = await daemon.cli(
    ['audit', 'query', '--outcome', 'failure', '--event', 'DescribeKey', '--output', 'readable'],
    { env },
  );
  t.match(failures, {
    code: 0,
    stdout: /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d {2}DescribeKey +root +alias\/none {2}NotFoundException\n$/,
  });
  const remote = await daemon.cli(tail, { env });
  t.equal(remote.stdout.trim().split('\n').length, 2);
  t.match(JSON.parse(remote.stdout.split('\n')[1]!), { sequence: Number });

  const local = await daemon.cli(['audit', 'tail', '-n', '3', '--event', 'Encrypt', '--output', 'readable']);
  t.match(local.stdout, new RegExp(`^(\\S+ \\S+ {2}Encrypt +root +key/${keyId}\\n){3}$`));
  t.match(await daemon.cli([...tail, '--remote', '--home', 'x']), {
    code: 2,
    stderr: /log on this machine/,
  });
  const two = await daemon.cli(['audit', 'query', '--event', 'Encrypt', '-n', '2']);
  t.same(
    two.stdout.trimEnd().split('\n'),
    readFileSync(join(daemon.home, 'audit/audit-00000001.jsonl'), 'utf8')
      .split('\n')
      .filter((line) => line.includes('"eventName":"Encrypt"'))
      .slice(-2),
    'the newest of the log on this machine',
  );
});

void t.test('audit tail -f --remote prints new records, and not those of its own requests', async (t) => {
  const daemon = await TestDaemon.start(t);
  const client = await daemon.connect();
  t.teardown(() => client.close());
  await client.createKey({});
  const cli = join(checkout, 'dist/client/cli/main.js');
  const args = [cli, 'audit', 'tail', '-f', '--remote', '-n', '2', '--output', 'json'];
  const child = spawn(process.execPath, args, { env: daemon.env, stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => child.kill('SIGKILL'));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async (): Promise<string> => {
    const { value } = (await lines.next()) as { value: string };
    const { eventName } = JSON.parse(value) as { eventName?: string };
    // Checkpoints have none, and connections are recorded when they happen to open.
    return eventName === undefined || eventName === 'OpenConnection' ? await next() : eventName;
  };
  for (let name = ''; name !== 'CreateKey';) name = await next();
  await client.generateRandom({ numberOfBytes: 8 });
  t.equal(await next(), 'GenerateRandom');
  // Two more requests for new records are made in this time.
  await setTimeout(4_500);
  await client.listKeys({});
  await client.listAliases({});
  t.same([await next(), await next()], ['ListKeys', 'ListAliases'], 'each once, in order');
  child.kill('SIGINT');
  const [code] = (await once(child, 'close')) as [number];
  t.equal(code, 0, 'Ctrl-C is its usual end');
});
