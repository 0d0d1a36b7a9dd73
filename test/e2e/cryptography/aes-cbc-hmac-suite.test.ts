// The tests of suite 1 (AES-GCM), on a daemon whose materials use suite 2 (AES-CBC with HMAC).
import { join } from 'node:path';
import t from 'tap';
import { checkout } from '../../support/paths.js';

const env = { ...process.env, KEYHOLD_TEST_PROFILE: 'suite: 2' };
for (const name of ['cryptography/every-operation', 'keys/rotation', 'cryptography/data-key-pairs'])
  void t.spawn(process.execPath, [join(checkout, `dist/test/e2e/${name}.test.js`)], { env, name });
