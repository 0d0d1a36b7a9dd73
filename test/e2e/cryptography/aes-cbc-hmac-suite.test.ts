// The tests of suite 1, on a daemon whose materials are of suite 2.
import { join } from 'node:path';
import t from 'tap';
import { checkout } from '../../support/paths.js';

const env = { ...process.env, KEYHOLD_TEST_PROFILE: 'suite: 2' };
for (const name of ['cryptography/every-operation', 'keys/rotation', 'cryptography/data-key-pairs'])
  void t.spawn(process.execPath, [join(checkout, `dist/test/e2e/${name}.test.js`)], { env, name });
