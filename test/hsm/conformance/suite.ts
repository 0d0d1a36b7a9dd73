// Runs the contract of key stores against a token, and compares what doctor finds missing with the profile:
// suite.js PROFILE HOME TOKEN_LABEL PIN_FILE session|token. Started by conformance.ts.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import t from 'tap';
import { parse } from 'yaml';
import { loadProfile } from '../../../daemon/config/load.js';
import { openToken } from '../../../daemon/app/opening/open-key-store.js';
import { createLog } from '../../../daemon/observability/log.js';
import { keyStoreContract } from '../../contract/key-store.js';
import { checkout } from '../../support/paths.js';

const [profile, home, tokenLabel, file, keys] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
  string,
];
const token = { profile, tokenLabel, pin: { file }, workers: 1 };
const open = () => openToken(home, 'conformance', token, createLog('silent'));

await t.test(`${profile}: the contract of a key store`, (t) => keyStoreContract(t, open));

await t.test(`${profile}: the profile lists what doctor finds missing`, async (t) => {
  const named = ['--home', home, '--profile', profile, '--token-label', tokenLabel, '--pin-file', file];
  const { stdout } = await promisify(execFile)(process.execPath, [
    `${checkout}/dist/daemon/admin/hsm/doctor.js`,
    ...named,
    '--lacks',
    ...(keys === 'token' ? ['--token-objects'] : []),
  ]);
  t.same(parse(stdout), { lacks: loadProfile(profile, home).lacks });
  const store = await open();
  t.same(
    store.objects.filter(({ label }) => label === 'keyhold/doctor'),
    [],
    'doctor left no object',
  );
  await store.close();
});
