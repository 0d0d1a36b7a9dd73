// Queries of a long audit log, with and without its indexes.
import { generateKeyPairSync, sign } from 'node:crypto';
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileName } from '../../daemon/audit/chain.js';
import { filterSpecs } from '../../daemon/audit/query/filters.js';
import type { SignedIndexes } from '../../daemon/audit/query/file-index.js';
import { indexFiles } from '../../daemon/audit/query/indexer.js';
import { AuditReader, type LogPosition } from '../../daemon/audit/query/newest.js';
import { query } from '../../daemon/audit/query/query.js';
import type { Row } from './report/report.js';
import type { SuiteOptions } from './suite.js';

const account = '000000000000';
/** As `audit.fileBytes` is by default. */
const fileBytes = 64 * 1024 * 1024;
const firstTime = Date.parse('2026-01-01T00:00:00Z');
const names = ['Encrypt', 'Decrypt', 'GenerateDataKey', 'Sign', 'Verify', 'DescribeKey'];
const keyOf = (number: number) => `${String(number).padStart(8, '0')}-0000-4000-8000-000000000000`;

/** A record of about 900 bytes, a hundred a second; not chained, which queries do not look at. */
function record(sequence: number): string {
  const user = `user${sequence % 50}`;
  const time = new Date(firstTime + sequence * 10).toISOString();
  // 1,000 keys in use, and one that is used once in a million requests.
  const key = keyOf(sequence % 1_000_000 === 500_000 ? 999_999 : (sequence * 7919) % 1_000);
  return `${JSON.stringify({
    sequence,
    previous: '0'.repeat(64),
    eventVersion: '1.11',
    userIdentity: {
      type: 'IAMUser',
      principalId: `AIDA${user}`,
      arn: `arn:aws:iam::${account}:user/${user}`,
      accountId: account,
      accessKeyId: `AKIA${user}`,
      userName: user,
    },
    eventTime: `${time.slice(0, 19)}Z`,
    eventSource: 'kms.amazonaws.com',
    eventName: names[sequence % names.length],
    awsRegion: 'us-east-1',
    sourceIPAddress: '10.1.2.3',
    userAgent: 'keyhold/0.1.0',
    errorCode: sequence % 100_000 === 0 ? 'AccessDeniedException' : undefined,
    requestParameters: { keyId: key, encryptionContext: { purpose: 'bench' } },
    responseElements: null,
    requestID: keyOf(sequence),
    eventID: keyOf(sequence),
    readOnly: true,
    resources: [
      { accountId: account, type: 'AWS::KMS::Key', ARN: `arn:aws:kms:us-east-1:${account}:key/${key}` },
    ],
    eventType: 'AwsApiCall',
    managementEvent: true,
    recipientAccountId: account,
    eventCategory: 'Management',
  })}\n`;
}

function writeLog(directory: string, records: number): void {
  mkdirSync(directory);
  let [number, sequence] = [0, 0];
  while (sequence < records) {
    const file = openSync(join(directory, fileName(++number)), 'w', 0o600);
    for (let length = 0; length < fileBytes && sequence < records;) {
      let lines = '';
      while (lines.length < 1024 * 1024 && sequence < records) lines += record(++sequence);
      length += writeSync(file, lines);
    }
    closeSync(file);
  }
}

function filtersOf(args: Readonly<Record<string, string>>) {
  return Object.entries(args).map(([name, argument]) => {
    const filter = filterSpecs[name]!.parse(argument, 0);
    if (typeof filter === 'string') throw new Error(filter);
    return filter;
  });
}

/** Seconds of work as milliseconds. */
async function timed(work: () => unknown): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

const row = (name: string, value: number, unit: Row['unit'] = 'ms'): Row => ({
  name,
  value,
  unit,
  ratio_to_raw: null,
});

/** A log of so many records, its indexes, and queries of it: all of the log, and the first page as the daemon returns it. */
export async function auditSuite({ records }: SuiteOptions): Promise<Row[]> {
  const folder = mkdtempSync(join(tmpdir(), 'keyhold-bench-audit-'));
  const directory = join(folder, 'audit');
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const indexes = { folder: join(folder, 'audit-index'), publicKey };
  const signing = (message: Buffer) => Promise.resolve(sign('sha256', message, privateKey));
  try {
    writeLog(directory, records);
    const rows = [
      row(
        'audit-index-all',
        await timed(() => indexFiles({ directory, indexes, sign: signing }, () => Promise.resolve())),
      ),
    ];
    const middle = new Date(firstTime + records * 5).toISOString();
    const queries: Readonly<Record<string, Readonly<Record<string, string>>>> = {
      'rare-key': { key: keyOf(999_999) },
      error: { error: 'AccessDeniedException' },
      'a-minute-of-a-user': {
        since: middle,
        until: new Date(firstTime + records * 5 + 60_000).toISOString(),
        principal: 'user/user7',
      },
      'no-such-event': { event: 'ScheduleKeyDeletion' },
    };
    for (const [name, args] of Object.entries(queries)) {
      const all = (log: { indexes?: SignedIndexes }) =>
        Array.from(
          query({ directory, ...log }, filtersOf(args), () => undefined),
          () => true,
        );
      const daemon = async () => {
        const reader = new AuditReader(directory, indexes);
        let from: LogPosition | undefined;
        do ({ next: from } = await reader.newest(filtersOf(args), from, 1_000));
        while (from);
      };
      rows.push(row(`audit-query-${name}`, await timed(() => all({ indexes }))));
      rows.push(row(`audit-query-${name}-by-daemon`, await timed(daemon)));
      rows.push(row(`audit-query-${name}-without-index`, await timed(() => all({}))));
    }
    return rows;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
