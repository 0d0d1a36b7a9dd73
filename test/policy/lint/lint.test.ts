import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { operationTable } from '../../../daemon/operations/table.js';
import { lintPolicy } from '../../../daemon/policy/lint/lint.js';
import { knownActions } from '../../../daemon/policy/lint/vocabulary.js';
import { account, allow, aws, delegate, deny, names, textOf } from '../engine/world.js';

const keyhold = fileURLToPath(new URL('../../../client/cli/main.js', import.meta.url));
const at = 'Statement[0]';
const condition = (Condition: Record<string, Record<string, unknown>>) => textOf([delegate({ Condition })]);

void t.test('lint finds nothing in policies as AWS documents them', (t) => {
  const documents = [
    textOf([delegate({ Sid: 'Enable IAM User Permissions' })]),
    textOf([
      allow({
        Action: ['kms:Decrypt', 'kms:ReEncrypt*', 'kms:GenerateDataKey*'],
        Resource: `arn:aws:kms:*:${account}:key/*`,
      }),
    ]),
    textOf([{ Effect: 'Allow', Principal: aws(account), Action: 'sts:AssumeRole' }]),
    textOf([delegate(), deny({ NotPrincipal: aws(names.alice, account) })]),
    condition({
      StringEquals: { 'kms:EncryptionContext:App': 'x' },
      'ForAnyValue:StringEquals': { 'kms:EncryptionContextKeys': 'App' },
    }),
  ];
  for (const document of documents) t.strictSame(lintPolicy(document), [], document);
  t.end();
});

void t.test('lint reports probable mistakes with their place', (t) => {
  const cases: [string, string, RegExp][] = [
    [textOf([delegate({ Action: 'kms:Encrpyt' })]), `${at}.Action`, /does not match any action/],
    [
      textOf([delegate({ Action: ['kms:Sign', 'kms:Foo*'] })]),
      `${at}.Action[1]`,
      /does not match any action/,
    ],
    [textOf([allow({ Action: 's3:GetObject' })]), `${at}.Action`, /does not exist here/],
    [textOf([delegate({ Resource: undefined })]), at, /no effect/],
    [textOf([delegate({ Resource: 'arn:aws:kms:*:*:alias/x' })]), `${at}.Resource`, /never applies/],
    [textOf([allow({ Principal: '*' })]), `${at}.Principal`, /allows everybody/],
    [textOf([deny({ NotPrincipal: aws(names.alice) })]), `${at}.NotPrincipal`, /exempts nobody/],
    [textOf([deny({ NotPrincipal: '*' })]), `${at}.NotPrincipal`, /never applies/],
    [
      condition({ StringEquals: { 'kms:KeySpek': 'x' } }),
      `${at}.Condition.StringEquals.kms:KeySpek`,
      /no such condition key/,
    ],
    [
      condition({ StringEquals: { 'kms:KeySpec': [] } }),
      `${at}.Condition.StringEquals.kms:KeySpec`,
      /no value/,
    ],
    [
      condition({ StringEquals: { 'aws:TagKeys': 'a' } }),
      `${at}.Condition.StringEquals.aws:TagKeys`,
      /several values/,
    ],
    [
      condition({ 'ForAnyValue:StringEquals': { 'kms:KeySpec': 'a' } }),
      `${at}.Condition.ForAnyValue:StringEquals.kms:KeySpec`,
      /one value/,
    ],
    [
      condition({ 'ForAllValues:StringEquals': { 'aws:TagKeys': 'a' } }),
      `${at}.Condition.ForAllValues:StringEquals.aws:TagKeys`,
      /"Null"/,
    ],
    [
      condition({ Null: { 'kms:KeySpec': true }, StringEquals: { 'kms:keyspec': 'a' } }),
      at,
      /must be missing and have a value/,
    ],
    [textOf([delegate({ Sid: 'a b' }), delegate({ Sid: 'a b' })]), 'Statement[1].Sid', /same/],
  ];
  for (const [document, place, what] of cases) {
    const findings = lintPolicy(document);
    t.equal(findings.length, 1, document);
    t.equal(findings[0]?.severity, 'warning');
    t.equal(findings[0]?.message.slice(0, place.length + 2), `${place}: `);
    t.match(findings[0]?.message, what);
  }
  const old = JSON.stringify({
    Statement: delegate({ Condition: { StringEquals: { 'kms:EncryptionContext:u': '${aws:username}' } } }),
  });
  t.match(lintPolicy(old), [{ severity: 'warning', message: /"2012-10-17"/ }]);
  t.end();
});

void t.test('the type can be given; otherwise it is inferred from the document', (t) => {
  const trust = textOf([{ Effect: 'Allow', Principal: aws(account), Action: 'sts:AssumeRole' }]);
  t.strictSame(lintPolicy(trust), []);
  t.match(lintPolicy(trust, 'identity'), [{ severity: 'error', message: /^Statement\[0\]\.Principal: / }]);
  t.match(lintPolicy(textOf([allow()]), 'key'), [{ severity: 'error', message: /no Principal/ }]);
  t.match(lintPolicy('{'), [{ severity: 'error', message: /line 1, column 2/ }]);
  t.end();
});

void t.test('lint knows the permission of every operation', (t) => {
  for (const { permissions } of operationTable.values())
    for (const { action } of permissions)
      t.ok(action.startsWith('keyhold:') || knownActions.includes(action.toLowerCase()), action);
  t.end();
});

void t.test('keyhold policy lint prints findings, and fails only for errors', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'keyhold-lint-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'policy.json');
  const lint = (text: string, ...args: string[]) => {
    writeFileSync(file, text);
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [keyhold, 'policy', 'lint', file, ...args],
      { encoding: 'utf8' },
    );
    return { status, stdout, stderr };
  };
  t.strictSame(lint(textOf([delegate()])), { status: 0, stdout: '', stderr: '' });
  t.match(lint(textOf([delegate({ Action: 'kms:Foo' })])), {
    status: 0,
    stdout: /^warning: Statement\[0\]\.Action: /,
  });
  t.match(lint('{"Statement": []}'), {
    status: 1,
    stdout: 'error: Statement: It must have at least one statement.\n',
  });
  t.match(lint(textOf([allow()]), '--type', 'key'), { status: 1, stdout: /^error: / });
  t.match(lint('{}', '--type', 'bucket'), { status: 2, stderr: /key, identity, trust/ });
  rmSync(file);
  const missing = spawnSync(process.execPath, [keyhold, 'policy', 'lint', file], { encoding: 'utf8' });
  t.match(missing, { status: 2, stderr: /no such file/ });
  const stdin = spawnSync(process.execPath, [keyhold, 'policy', 'lint', '-'], {
    encoding: 'utf8',
    input: '{}',
  });
  t.match(stdin, { status: 1, stdout: /no Statement/ });
  t.end();
});
