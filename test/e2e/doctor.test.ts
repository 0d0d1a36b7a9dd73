import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { KeySpec } from '../../proto/generated/messages.js';
import type { Capability } from '../../daemon/keys/mechanisms.js';
import { keySpecs } from '../../daemon/keys/specs.js';
import { TestDaemon } from '../support/daemon.js';
import { labels } from '../support/token.js';

void t.test('doctor says what the token can do, and leaves nothing in it', async (t) => {
  const daemon = await TestDaemon.start(t);
  const before = labels(daemon);
  const { code, stdout } = await daemon.cli(['doctor', '--json']);
  t.equal(code, 0);
  const rows = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Capability & { anchoredStores?: string[] });
  t.equal(rows.pop()?.anchoredStores?.length, 1);
  const find = (keySpec: string, algorithm: string) =>
    rows.find((row) => row.keySpec === keySpec && row.algorithm === algorithm);
  t.match(find('SYMMETRIC_DEFAULT', 'SYMMETRIC_DEFAULT'), { mechanism: 'CKM_AES_GCM', supported: true });
  t.match(find('ECC_NIST_P256', 'ECDSA_SHA_256'), { mechanism: 'CKM_ECDSA', supported: true });
  t.match(find('ML_DSA_44', 'ML_DSA_SHAKE_256'), { supported: false, reason: /PKCS #11 v3\.2/ });
  const specs = new Set<string>(rows.map(({ keySpec }) => keySpec));
  t.same([...specs], Object.keys(keySpecs), 'every key spec of the table');
  for (const { keySpec, algorithm, supported } of rows) {
    const isThere = keySpecs[keySpec as KeySpec].unsupported === undefined;
    t.equal(supported, isThere && algorithm !== 'ED25519_PH_SHA_512', `${keySpec} ${algorithm}`);
  }
  t.same(labels(daemon), before);
  const table = await daemon.cli(['doctor']);
  t.match(table.stdout, /^SYMMETRIC_DEFAULT +ENCRYPT_DECRYPT +SYMMETRIC_DEFAULT +yes +CKM_AES_GCM$/m);
  t.equal(table.stdout.trim().split('\n').length, rows.length + 1);
  t.match(table.stdout, /^The token holds the anchor of metadata store [0-9a-f-]{36}\.$/m);
});

void t.test('doctor tries a wrong PIN once, and says what to do', async (t) => {
  const daemon = await TestDaemon.initialise();
  t.teardown(() => daemon.remove());
  writeFileSync(join(daemon.home, 'tokens/pin'), '00000000');
  const first = await daemon.cli(['doctor']);
  t.equal(first.code, 1);
  t.match(first.stderr, /refused the PIN.*keyhold login-retry default/s);
  const second = await daemon.cli(['doctor']);
  t.equal(second.code, 1);
  t.match(second.stderr, /keyhold login-retry default/);
  t.equal((await daemon.cli(['doctor', '--no-such-option'])).code, 2);
});
