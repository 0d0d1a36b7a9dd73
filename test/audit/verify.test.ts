import { generateKeyPairSync, sign } from 'node:crypto';
import {
  copyFileSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { AuditError } from '../../daemon/audit/audit-log.js';
import { recordHash } from '../../daemon/audit/chain.js';
import type { FaultKind } from '../../daemon/audit/verify.js';
import { chainAnew, members, openLog, readLog, signer, verify, writeLog } from './support.js';

/** Nine times six events and their checkpoint. */
async function makeLog(directory: string): Promise<string[]> {
  for (let part = 0; part < 9; part++) {
    const { log } = await openLog(directory);
    for (let index = 0; index < 6; index++) await log.append(members(part * 6 + index));
    await log.close();
  }
  return readLog(directory);
}

const whole = await makeLog(t.testdir());

/** A log of another instance with another key. */
async function makeForeignLog(directory: string): Promise<string[]> {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const keyId = 'ffeeddccbbaa99887766554433221100';
  const stranger = {
    keyId,
    sign: (message: Buffer) => Promise.resolve(sign('sha256', message, privateKey)),
  };
  const { log } = await openLog(directory, { signer: stranger });
  for (let index = 0; index < 20; index++) await log.append(members(index));
  await log.close();
  return readLog(directory);
}

const foreignCheckpoint = (await makeForeignLog(join(t.testdirName, 'foreign'))).at(-1) ?? '';
const newest = whole.length - 1;
const isCheckpoint = (line: string) => line.includes('KeyholdCheckpoint');
const at = (sequence: number) => whole[sequence - 1] ?? '';
/** The sequence number of an event between other events. */
const event = 17;
const checkpoint = 21;

const edit = (sequence: number, change: (line: string) => string) => (lines: string[]) =>
  lines.map((line, index) => (index === sequence - 1 ? change(line) : line));

const drop =
  (from: number, count = 1) =>
  (lines: string[]) =>
    lines.toSpliced(from - 1, count);

const insert = (before: number, line: string) => (lines: string[]) => lines.toSpliced(before - 1, 0, line);

const move = (from: number, to: number) => (lines: string[]) =>
  lines.toSpliced(from - 1, 1).toSpliced(to - 1, 0, lines[from - 1] ?? '');

const forged = (sequence: number, hash: string) =>
  `{"sequence":${sequence},"previous":"${hash}","eventType":"KeyholdCheckpoint","eventTime":"2026-01-01T00:00:00Z",` +
  `"checkpoint":{"sequence":${sequence - 1},"hash":"${hash}","keyId":"00","signature":"MAYCAQECAQE="}}`;

/** An edit, and the expected fault: its kind and its record. */
const cases: [string, (lines: string[]) => string[], FaultKind, number][] = [
  ['a changed event', edit(event, (l) => l.replace('Encrypt', 'Decrypt')), 'changed', event],
  [
    'a changed sequence number',
    edit(event, (l) => l.replace(`:${event},`, `:${event + 7},`)),
    'changed',
    event,
  ],
  ['a sequence number with a leading zero', edit(event, (l) => l.replace(':', ':0')), 'changed', event],
  [
    'a changed previous hash',
    edit(event, (l) => l.replace(/"previous":"\w{8}/, '"previous":"00000000')),
    'changed',
    event,
  ],
  ['a space in a record', edit(event, (l) => l.replace(',"', ', "')), 'changed', event],
  ['a record that is no JSON', edit(event, () => 'x'), 'changed', event],
  ['an empty line for a record', edit(event, () => ''), 'changed', event],
  ['a changed first record', edit(1, (l) => l.replace('Encrypt', 'Decrypt')), 'changed', 1],
  [
    'a first record with a previous one',
    edit(1, (l) => l.replace(/"previous":"0/, '"previous":"1')),
    'changed',
    1,
  ],
  [
    'a changed checkpoint',
    edit(checkpoint, (l) => l.replace(/"signature":"..../, '"signature":"AAAA')),
    'changed',
    checkpoint,
  ],
  [
    'an event changed and all chained anew',
    (l) => chainAnew(edit(event, (x) => x.replace('Enc', 'Dec'))(l)),
    'changed',
    -1,
  ],
  ['a removed record', drop(event), 'removed', event],
  ['removed records', drop(event, 3), 'removed', event],
  ['the removed beginning', drop(1, 2), 'removed', 1],
  ['a removed checkpoint', drop(checkpoint), 'removed', checkpoint],
  ['a removed record and all chained anew', (l) => chainAnew(drop(event)(l)), 'removed', -1],
  ['an empty line between records', insert(event, ''), 'inserted', event],
  ['a line that is no record', insert(event, '{"eventName":"Encrypt"}'), 'inserted', event],
  ['a record twice', insert(event + 1, at(event)), 'inserted', event + 1],
  ['a copy of an early record', insert(event, at(2)), 'inserted', event],
  ['a copy of a late record', insert(event, at(newest)), 'inserted', event],
  [
    'a forged record with a good link',
    insert(event, at(event).replace('Encrypt', 'Decrypt')),
    'inserted',
    event + 1,
  ],
  ['an inserted record and all chained anew', (l) => chainAnew(insert(event, at(event))(l)), 'changed', -1],
  ['two swapped records', move(event, event + 1), 'reordered', event],
  ['a record moved back', move(event, event + 5), 'reordered', event],
  ['a record moved forward', move(event + 5, event), 'reordered', event],
  [
    'a forged checkpoint at the end',
    (l) => [...l, forged(l.length + 1, recordHash(l.at(-1) ?? ''))],
    'foreign-checkpoint',
    newest + 2,
  ],
  [
    'a checkpoint that is no checkpoint',
    (l) => chainAnew([...l, at(checkpoint).replace('"keyId"', '"key"')]),
    'foreign-checkpoint',
    newest + 2,
  ],
  ["another instance's checkpoint put in", insert(event, foreignCheckpoint), 'foreign-checkpoint', event],
  [
    "another instance's checkpoint for one of this log",
    edit(checkpoint, () => foreignCheckpoint),
    'foreign-checkpoint',
    checkpoint,
  ],
  [
    "another instance's checkpoint under the place and link of one of this log",
    edit(checkpoint, (l) => l.slice(0, 90) + foreignCheckpoint.slice(90)),
    'foreign-checkpoint',
    checkpoint,
  ],
  [
    "another instance's checkpoint put in, and all chained anew",
    (l) => chainAnew(insert(event, foreignCheckpoint)(l)),
    'foreign-checkpoint',
    event,
  ],
  ['two swapped records and all chained anew', (l) => chainAnew(move(event, event + 1)(l)), 'changed', -1],
  [
    'an early checkpoint again after records written anew',
    (l) => chainAnew([...edit(2, (x) => x + ' ')(l.slice(0, event)), at(checkpoint)]),
    'changed',
    -1,
  ],
];

await t.test('an intact log: records, checkpoints, and records that are only chained', (t) => {
  const directory = t.testdir();
  writeLog(directory, whole);
  const checkpoints = whole.filter(isCheckpoint).length;
  t.equal(checkpoints, 9);
  t.same(verify(directory), {
    fault: undefined,
    files: 1,
    firstRecord: 1,
    records: whole.length,
    checkpoints,
    newestCheckpoint: newest,
    chainedOnly: 1,
    truncationChecked: false,
    head: { sequence: whole.length, hash: recordHash(whole.at(-1) ?? '') },
  });
  t.end();
});

for (const [name, change, kind, sequence] of cases) {
  await t.test(`${name} is found, and named as ${kind}`, (t) => {
    const directory = t.testdir();
    writeLog(directory, change([...whole]));
    const { fault } = verify(directory);
    t.equal(fault?.kind, kind, fault?.reason ?? 'a fault');
    if (sequence >= 0) t.equal(fault?.sequence, sequence, fault?.reason ?? 'a fault');
    t.equal(fault?.file, 'audit-00000001.jsonl');
    t.end();
  });
}

await t.test('checkpoints of another key are foreign', (t) => {
  const directory = t.testdir();
  writeLog(directory, whole);
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  t.match(verify(directory, { publicKey }), { fault: { kind: 'foreign-checkpoint' }, checkpoints: 0 });
  t.end();
});

await t.test('a signature for another purpose is no checkpoint, although the key is the same', async (t) => {
  const directory = t.testdir();
  const lines = chainAnew(whole.slice(0, 2));
  const hash = recordHash(lines[1] ?? '');
  const signature = await signer.sign(Buffer.from(hash, 'hex'));
  writeLog(directory, [...lines, forged(3, hash).replace('MAYCAQECAQE=', signature.toString('base64'))]);
  t.match(verify(directory), { fault: { kind: 'foreign-checkpoint', sequence: 3 } });
});

await t.test('a truncated log is found only by an expected checkpoint or the head of the daemon', (t) => {
  const directory = t.testdir();
  const head = { sequence: whole.length, hash: recordHash(whole.at(-1) ?? '') };
  writeLog(directory, whole);
  t.match(verify(directory, { expectCheckpoint: newest }), { fault: undefined, truncationChecked: true });
  t.match(verify(directory, { expectHead: head }), { fault: undefined, truncationChecked: true });
  t.match(verify(directory, { expectHead: { ...head, hash: '0'.repeat(64) } }).fault, {
    kind: 'changed',
  });
  t.match(verify(directory, { expectCheckpoint: newest + 1 }).fault, { kind: 'truncated' });
  for (let length = whole.length - 1; length > 0; length--) {
    writeLog(directory, whole.slice(0, length));
    t.match(verify(directory), { fault: undefined, truncationChecked: false });
    t.match(verify(directory, { expectCheckpoint: newest }).fault, {
      kind: 'truncated',
      sequence: length + 1,
    });
    t.match(verify(directory, { expectHead: head }).fault, { kind: 'truncated', sequence: length + 1 });
  }
  rmSync(join(directory, 'audit-00000001.jsonl'));
  t.throws(() => verify(directory), AuditError);
  t.match(verify(directory, { expectHead: head }).fault, { kind: 'truncated', sequence: 1 });
  t.end();
});

await t.test('an incomplete last line is a fault, unless the running daemon is writing it', (t) => {
  const directory = t.testdir();
  const file = join(directory, 'audit-00000001.jsonl');
  const content = whole.map((line) => line + '\n').join('');
  for (const cut of [1, 50, at(whole.length).length]) {
    writeFileSync(file, content);
    truncateSync(file, Buffer.byteLength(content) - cut);
    const head = { sequence: newest, hash: recordHash(at(newest)) };
    t.match(verify(directory).fault, {
      kind: 'truncated',
      sequence: whole.length,
      line: whole.length,
    });
    t.match(verify(directory, { expectHead: head }).fault, undefined);
    const later = { sequence: whole.length, hash: recordHash(at(whole.length)) };
    t.match(verify(directory, { expectHead: later }).fault, { kind: 'truncated' });
  }
  t.end();
});

await t.test('a missing, replaced or truncated file is found', async (t) => {
  const source = join(t.testdir(), 'audit');
  const { log } = await openLog(source, { maxFileSize: 1500 });
  for (let index = 0; index < 30; index++) await log.append(members(index));
  await log.close();
  const names = readdirSync(source).sort();
  t.match(verify(source), { fault: undefined, files: names.length });
  t.ok(names.length >= 4);
  const [first, second, third] = names.map((name) => join(source, name)) as [string, string, string];
  const changes: [string, () => void, FaultKind][] = [
    ['the first file', () => rmSync(first), 'removed'],
    ['a file between', () => rmSync(second), 'removed'],
    [
      'a file between, with the later ones renamed',
      () =>
        names.slice(2).forEach((name, i) => renameSync(join(source, name), join(source, names[i + 1] ?? ''))),
      'removed',
    ],
    ['the end of a file', () => truncateSync(second, 10), 'truncated'],
    ['all of a file', () => truncateSync(second, 0), 'removed'],
    [
      'two files exchanged',
      () => {
        renameSync(second, first + '.x');
        renameSync(third, second);
        renameSync(first + '.x', third);
      },
      'reordered',
    ],
    ['a file twice', () => copyFileSync(first, second), 'inserted'],
  ];
  const kept = names.map((name) => [name, readFileSync(join(source, name))] as const);
  for (const [what, change, kind] of changes) {
    change();
    t.equal(verify(source).fault?.kind, kind, what);
    for (const name of readdirSync(source)) rmSync(join(source, name));
    for (const [name, content] of kept) writeFileSync(join(source, name), content);
  }
});
