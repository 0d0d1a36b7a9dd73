// Reading the log backwards, page by page, gives the same records as reading it forwards.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { filterSpecs } from '../../../daemon/audit/query/filters.js';
import { AuditReader, type LogPosition } from '../../../daemon/audit/query/newest.js';

const record = (sequence: number, extra: object = {}) =>
  JSON.stringify({
    sequence,
    eventTime: '2027-01-31T12:00:00Z',
    eventName: sequence % 3 === 0 ? 'Decrypt' : 'Encrypt',
    ...extra,
  });

/** A log of several files, with lines longer than a block. */
function makeLog(directory: string): string[] {
  const lines: string[] = [];
  mkdirSync(directory, { recursive: true });
  for (const file of [1, 2, 3]) {
    const own = Array.from({ length: 400 }, (_, n) =>
      record(file * 1000 + n, n % 97 === 0 ? { requestParameters: { text: 'x'.repeat(300_000) } } : {}),
    );
    lines.push(...own);
    writeFileSync(join(directory, `audit-0000000${file}.jsonl`), own.map((line) => `${line}\n`).join(''));
  }
  return lines;
}

async function readAll(reader: AuditReader, filters: Parameters<AuditReader['newest']>[0], limit: number) {
  const all: string[] = [];
  let from: LogPosition | undefined;
  let calls = 0;
  do {
    const { lines, next } = await reader.newest(filters, from, limit);
    t.ok(lines.length <= limit);
    all.push(...lines);
    from = next;
    calls++;
  } while (from);
  return { all, calls };
}

void t.test('pages of any length give the whole log backwards, across files and long lines', async (t) => {
  const directory = t.testdir();
  const lines = makeLog(directory);
  const reader = new AuditReader(directory);
  for (const limit of [7, 100, 1000]) {
    const { all, calls } = await readAll(reader, [], limit);
    t.same(all, [...lines].reverse(), String(limit));
    t.ok(calls >= lines.length / limit);
  }
  const isDecrypt = filterSpecs.event!.parse('Decrypt', 0);
  if (typeof isDecrypt === 'string') throw new Error(isDecrypt);
  const { all } = await readAll(reader, [isDecrypt], 50);
  t.same(all, lines.filter((line) => line.includes('"Decrypt"')).reverse());
});

void t.test(
  'an incomplete last line and invalid lines are skipped; a marker within a line does no harm',
  async (t) => {
    const directory = t.testdir();
    writeFileSync(
      join(directory, 'audit-00000001.jsonl'),
      `${record(1)}\nnonsense\n\n${record(2)}\n{"sequence":3`,
    );
    const reader = new AuditReader(directory);
    t.same((await reader.newest([], undefined, 10)).lines, [record(2), record(1)]);
    t.same((await reader.newest([], { number: 1, offset: record(1).length - 3 }, 10)).lines, []);
    t.same((await reader.newest([], { number: 9, offset: 1e9 }, 10)).lines, [record(2), record(1)]);
    await t.rejects(new AuditReader(join(directory, 'none')).newest([], undefined, 1), { code: 'ENOENT' });
  },
);
