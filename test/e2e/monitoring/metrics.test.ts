// Metrics read by Debian's Prometheus, the dashboard and rules that use them, and the two probes.
import { readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { errorTable } from '../../../proto/errors.js';
import { operationTable } from '../../../daemon/operations/table.js';
import { jobs } from '../../../daemon/hsm/jobs/table.js';
import { checkout } from '../../support/paths.js';
import { TestDaemon } from '../../support/daemon.js';
import { absent } from '../../support/programs.js';
import { promtool, TestPrometheus } from '../../support/receivers/prometheus.js';

const monitoring = join(checkout, 'docs/monitoring');
const rulesFile = join(monitoring, 'alerts.yaml');
const skip = absent('promtool', ['--version'], 'Prometheus', 'prometheus');

interface Panel {
  readonly title: string;
  readonly targets?: readonly { readonly expr: string }[];
}

const dashboard = JSON.parse(readFileSync(join(monitoring, 'dashboard.json'), 'utf8')) as {
  panels: readonly Panel[];
};
const panelQueries = dashboard.panels.flatMap(({ title, targets = [] }) =>
  targets.map(({ expr }) => ({ title, expr })),
);

/** Series of a text in Prometheus's format: name, labels, value. */
function seriesOf(text: string): { name: string; labels: Record<string, string>; value: number }[] {
  return text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const [, name, labels = '', value] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line)!;
      const pairs = [...labels.matchAll(/(\w+)="([^"]*)"/g)].map(([, label, text]) => [label, text]);
      return {
        name: name!,
        labels: Object.fromEntries(pairs) as Record<string, string>,
        value: Number(value),
      };
    });
}

/** Names of metrics, without the suffixes of histograms. */
function namesIn(text: string): string[] {
  return [...text.matchAll(/\b(keyhold|nodejs|process)_\w+/g)].map(([name]) =>
    name.replace(/(?<=duration_seconds|_records|_jobs)_(bucket|sum|count)$/, ''),
  );
}

void t.test('metrics, probes, dashboard and rules', async (t) => {
  const daemon = await TestDaemon.start(
    t,
    `metrics: { port: 0 }
audit: { sinks: { nobody: { host: 127.0.0.1, port: 1, ca: tls/ca.pem } } }`,
  );
  const answers = () => /"metrics":"([^"]+)"/.exec(daemon.stderr)?.[1];
  while (answers() === undefined) await sleep(20);
  const target = answers()!;
  const get = async (path: string) => {
    const response = await fetch(`http://${target}${path}`);
    return {
      status: response.status,
      text: await response.text(),
      type: response.headers.get('content-type'),
    };
  };
  const metrics = async () => seriesOf((await get('/metrics')).text);
  const valueOf = async (name: string, labels: Record<string, string> = {}) =>
    (await metrics()).find(
      (each) =>
        each.name === name && Object.entries(labels).every(([label, text]) => each.labels[label] === text),
    )?.value;

  const client = await daemon.connect();
  t.teardown(() => client.close());
  const { keyMetadata } = await client.createKey({});
  const keyId = keyMetadata.keyId;
  const { ciphertextBlob } = await client.encrypt({ keyId, plaintext: Buffer.from('a secret') });
  await t.rejects(client.decrypt({ ciphertextBlob: ciphertextBlob, encryptionContext: { a: 'b' } }));
  const doomed = (await client.createKey({})).keyMetadata.keyId;
  const { deletionDate } = await client.scheduleKeyDeletion({ keyId: doomed });
  const credentials = { ...daemon.credentials, secretAccessKey: 'x'.repeat(40) };
  await t.rejects(daemon.connect({ credentials }));

  await t.test('requests, HSM calls and due keys are counted', async (t) => {
    await sleep(600);
    const { text, type } = await get('/metrics');
    t.equal(type, 'text/plain; version=0.0.4; charset=utf-8');
    const series = seriesOf(text);
    const value = (name: string, labels: Record<string, string> = {}) =>
      series.find(
        (each) =>
          each.name === name && Object.entries(labels).every(([label, text]) => each.labels[label] === text),
      )?.value;
    const native = { transport: 'native' };
    t.equal(value('keyhold_requests_total', { operation: 'Encrypt', error: 'none', ...native }), 1);
    const invalid = { operation: 'Decrypt', error: 'InvalidCiphertextException', ...native };
    t.equal(value('keyhold_requests_total', invalid), 1);
    const took = { operation: 'Encrypt', ...native };
    t.equal(value('keyhold_request_duration_seconds_count', took), 1);
    t.equal(value('keyhold_request_duration_seconds_bucket', { ...took, le: '+Inf' }), 1);
    t.ok(value('keyhold_request_duration_seconds_sum', took)! > 0);
    t.equal(value('keyhold_hsm_call_duration_seconds_count', { store: 'default', job: 'encrypt' }), 1);
    const failed = { store: 'default', job: 'decrypt', error: 'invalid-ciphertext' };
    t.equal(value('keyhold_hsm_call_errors_total', failed), 1);
    t.equal(value('keyhold_failed_authentications_total', { error: 'UnrecognizedClientException' }), 1);
    t.equal(value('keyhold_connections', { kind: 'native' }), 1);
    t.equal(value('keyhold_store_records', { kind: 'key' }), 2);
    t.equal(value('keyhold_due_keys', { act: 'deletion' }), 1);
    t.equal(value('keyhold_due_first_timestamp_seconds', { act: 'deletion' }), deletionDate);
    t.ok(
      value('keyhold_audit_sink_backlog_records', { sink: 'nobody' })! > 0,
      'a sink without a receiver has a backlog',
    );
    t.ok(
      value('keyhold_certificate_expiry_timestamp_seconds', { setting: 'tls.certificate' })! >
        Date.now() / 1_000,
    );
    t.ok(value('keyhold_audit_records_total')! >= 6);
    for (const secret of [keyId, doomed, 'arn:aws', daemon.credentials.accessKeyId])
      t.notOk(text.includes(secret), `${secret.slice(0, 7)}… is not in the metrics`);
  });

  await t.test('label values come from tables', async (t) => {
    const allowed: Readonly<Record<string, ReadonlySet<string>>> = {
      operation: new Set(operationTable.keys()),
      error: new Set(['none', ...Object.keys(errorTable), 'invalid-ciphertext']),
      transport: new Set(['native', 'aws']),
      job: new Set(Object.keys(jobs)),
      store: new Set(['default']),
    };
    const series = (await metrics()).filter(({ name }) => name.startsWith('keyhold_'));
    for (const [label, values] of Object.entries(allowed)) {
      const others = series.filter(({ labels }) => label in labels && !values.has(labels[label]!));
      t.same(others, [], label);
    }
    t.ok(series.length < 1_500, `${series.length} series`);
  });

  await t.test('every metric of dashboard and rules exists', async (t) => {
    const { text } = await get('/metrics');
    const known = new Set([...text.matchAll(/^# TYPE (\w+) /gm)].map(([, name]) => name));
    const named = namesIn(readFileSync(rulesFile, 'utf8') + panelQueries.map(({ expr }) => expr).join('\n'));
    t.ok(named.length > 60);
    t.same(
      [...new Set(named)].filter((name) => !known.has(name)),
      [],
    );
    const unseen = [...known].filter((name) => name!.startsWith('keyhold_') && !named.includes(name!));
    t.same(unseen, [], 'every metric is used by the dashboard or a rule');
  });

  await t.test('the port serves nothing else', async (t) => {
    t.same(
      [(await get('/livez')).text, (await get('/readyz')).text],
      ['{"live":true}\n', '{"ready":true}\n'],
    );
    for (const path of ['/', '/healthz', '/metrics/', '/metrics?x=1'])
      t.equal((await get(path)).status, 404, path);
    const post = await fetch(`http://${target}/`, { method: 'POST', body: '{}' });
    t.equal(post.status, 404, 'the port does not serve the AWS endpoint');
    const forms: [yaml: string, expected: RegExp][] = [
      ['metrics: { host: monitoring.example.org }', /'metrics\.host': .*an IP address/],
      ['metrics: { port: 70000 }', /'metrics\.port'/],
      ['metrics: { password: x }', /'metrics/],
      [
        `metrics: { port: ${target.split(':')[1]} }`,
        /Cannot listen on 127\.0\.0\.1:\d+ .* set metrics\.port/,
      ],
    ];
    for (const [yaml, expected] of forms) {
      const other = await TestDaemon.initialise();
      t.teardown(() => other.remove());
      other.configure(yaml);
      await t.rejects(other.start(), { message: expected }, yaml);
    }
  });

  await t.test('promtool and Prometheus', { skip }, async (t) => {
    t.match(promtool(['check', 'rules', rulesFile]), /SUCCESS/);
    promtool(['test', 'rules', join(checkout, 'test/e2e/monitoring/alerts.test.yaml')]);
    const { text } = await get('/metrics');
    const own = text.split(/\n\n/).filter((block) => block.includes('keyhold_'));
    t.equal(
      promtool(['check', 'metrics'], `${own.join('\n')}\n`),
      '',
      'names and help follow the conventions',
    );
    const prometheus = await TestPrometheus.start(join(daemon.home, 'prometheus'), target, rulesFile);
    t.teardown(() => prometheus.stop());
    const until = async (expression: string, holds: (count: number) => boolean) => {
      const end = Date.now() + 60_000;
      for (;;) {
        const found = await prometheus.query(expression);
        if (holds(found.length) || Date.now() > end) return found;
        await sleep(500);
      }
    };
    t.match(await until('up{job="keyhold"} == 1', (count) => count > 0), [{ metric: { instance: target } }]);
    // Rates need two samples of a count.
    await until('count_over_time(keyhold_ready[1m]) > 3', (count) => count > 0);
    for (const { title, expr } of panelQueries) {
      const query = expr.replaceAll('$instance', '.*').replaceAll('$__rate_interval', '1m');
      const isOfNone = query.includes('keyhold_refused_requests_total');
      const found = await until(query, (count) => count > 0 || isOfNone);
      t.ok(found.length > 0 || isOfNone, `${title}: ${query}`);
    }
    const rules = await prometheus.rules();
    t.equal(rules.length, 27);
    t.same(
      rules.filter(({ health }) => health !== 'ok'),
      [],
      'every rule is evaluated',
    );
    t.same(
      rules.filter(({ name, state }) => state !== 'inactive' && name !== 'KeyholdAuditSinkFails'),
      [],
      'a healthy daemon raises no alert',
    );
  });

  await t.test('a daemon that cannot write its audit log is live and not ready', async (t) => {
    const log = join(daemon.home, 'audit/audit-00000001.jsonl');
    renameSync(log, `${log}.away`);
    while ((await get('/readyz')).status === 200) await sleep(100);
    t.same(await get('/readyz').then(({ status, text }) => [status, text]), [503, '{"ready":false}\n']);
    t.equal((await get('/livez')).status, 200, 'the daemon is live, because a restart would not help');
    await sleep(600);
    t.same(
      [
        await valueOf('keyhold_ready'),
        await valueOf('keyhold_audit_available'),
        await valueOf('keyhold_listener_up'),
      ],
      [0, 0, 1],
    );
    renameSync(`${log}.away`, log);
    while ((await get('/readyz')).status !== 200) await sleep(100);
    await sleep(600);
    t.same([await valueOf('keyhold_ready'), await valueOf('keyhold_audit_failures_total')], [1, 1]);
  });
});
