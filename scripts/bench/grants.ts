// The cost of many grants of one key: to one grantee, each with its own encryption context, as programs create them for
// their resources.
import { createHmac } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Grants } from '../../daemon/keys/grants/grants.js';
import { putGrant } from '../../daemon/keys/grants/grant.js';
import { LevelStore } from '../../daemon/store/leveldb/leveldb.js';
import { Records } from '../../daemon/store/records/records.js';
import { median } from './load/load.js';
import { microseconds } from './policy.js';
import type { Row } from './report/report.js';
import type { SuiteOptions } from './suite.js';

const few = 10;
const many = 50_000;
const grantee = 'AROAAAAAAAAAAAAAAAAAA';
const key = { record: { keyId: '1234abcd-12ab-34cd-56ef-1234567890ab' } };

/** Measures finding the grant that allows a request, and reading a page of the list, with 10 and with 50,000 grants. */
export async function grantsSuite(options: SuiteOptions): Promise<Row[]> {
  const home = mkdtempSync(join(tmpdir(), 'kh-bench-'));
  const store = await LevelStore.create(home);
  try {
    const mac = (message: Buffer) => Promise.resolve(createHmac('sha256', 'key').update(message).digest());
    const records = await Records.load(store, 'bench', mac);
    const rows: Row[] = [];
    const before = await measure(records, 0, few, options);
    const after = await measure(records, few, many, options);
    for (const [name, value] of before) {
      rows.push({ name: `${name}-${few}-grants`, value, unit: 'us', ratio_to_raw: null });
      const grown = after.get(name)!;
      rows.push({
        name: `${name}-${many}-grants`,
        value: grown,
        unit: 'us',
        ratio_to_raw: null,
        ratio_to_few: grown / value,
      });
    }
    return rows;
  } finally {
    await store.close();
    rmSync(home, { recursive: true });
  }
}

/** Adds grants up to a number and measures. @param present number of grants so far @returns microseconds by measurement */
async function measure(
  records: Records,
  present: number,
  count: number,
  { time, rounds }: SuiteOptions,
): Promise<Map<string, number>> {
  const made = Array.from({ length: count - present }, (_, index) => newGrant(present + index));
  await records.commit(made.map(putGrant));
  const grants = new Grants(records);
  const context = { service: 'ebs', volume: `v${count - 1}` };
  const found = () => grants.find(key, grantee, 'Decrypt', context);
  const missed = () => grants.find(key, grantee, 'Decrypt', { ...context, volume: 'none' });
  if (!found() || missed())
    throw new Error('A grant should have been found for one request, and none for the other.');
  const middle = newGrant(Math.floor(count / 2)).grantId;
  const work: Readonly<Record<string, () => void>> = {
    'authorized-by-grant': found,
    'no-grant-allows': missed,
    'list-page-of-key': () => take(grants.of(key.record.keyId, middle)),
    'list-page-of-grantee': () => take(grants.ofGrantee(key.record.keyId, grantee, middle)),
  };
  return new Map(
    Object.entries(work).map(([name, each]) => {
      return [name, median(Array.from({ length: rounds }, () => microseconds(each, time)))];
    }),
  );
}

function newGrant(index: number) {
  return {
    keyId: key.record.keyId,
    grantId: index.toString(16).padStart(64, '0'),
    granteeId: grantee,
    operations: ['Decrypt' as const, 'GenerateDataKeyWithoutPlaintext' as const],
    constraint: {
      type: 'EncryptionContextSubset' as const,
      pairs: [
        ['service', 'ebs'],
        ['volume', `v${index}`],
      ] as const,
    },
    createdAt: 0,
  };
}

/** Reads the first four items: of ten grants, four are behind the middle one. */
function take(list: Iterable<unknown>): void {
  let left = 4;
  for (const each of list) if (each && --left === 0) return;
}
