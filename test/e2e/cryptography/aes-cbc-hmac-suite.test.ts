// The tests of suite 1 (AES-GCM), on a daemon whose materials use suite 2 (AES-CBC with HMAC).
import { join } from 'node:path';
import t from 'tap';
import { TestDaemon } from '../../support/daemon.js';
import { checkout } from '../../support/paths.js';

process.env.KEYHOLD_TEST_PROFILE = 'suite: 2';
const template = await TestDaemon.initialise({ own: true, workers: 2 });
t.teardown(() => template.remove());
const env = { ...process.env, KEYHOLD_TEST_TEMPLATE: template.home };
for (const name of ['cryptography/every-operation', 'keys/rotation', 'cryptography/data-key-pairs'])
  void t.spawn(process.execPath, [join(checkout, `dist/test/e2e/${name}.test.js`)], { env, name });

void t.test('a symmetric key cannot be multi-Region', async (t) => {
  const daemon = await TestDaemon.start(t, undefined, { own: true });
  const client = await daemon.connect();
  await t.rejects(client.createKey({ multiRegion: true }), {
    code: 'UnsupportedOperationException',
    message: /consist of two objects, which do not travel together/,
  });
  await client.close();
});
