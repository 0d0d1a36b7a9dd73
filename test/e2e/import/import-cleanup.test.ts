// An object that is not needed after an import, or a deletion of material, cannot be destroyed at once.
import { randomBytes } from 'node:crypto';
import t from 'tap';
import { makeFaulty } from '../../faults/faulty-home.js';
import { TestDaemon } from '../../support/daemon.js';
import { describe, newExternalKey, parametersFor } from '../../support/imports.js';
import { labels } from '../../support/token.js';

const CKR_DEVICE_ERROR = 0x30;

void t.test(
  'a change that is committed succeeds, is recorded once, and its object is destroyed later',
  async (t) => {
    const daemon = await TestDaemon.initialise();
    t.teardown(() => daemon.remove());
    const faults = makeFaulty(daemon);
    await daemon.start();
    const client = await daemon.connect({ maxAttempts: 1 });
    const keyId = await newExternalKey(client);
    const parameters = await parametersFor(client, keyId);
    const wrapped = parameters.wrap(randomBytes(32));
    const events = (name: string) =>
      daemon
        .auditRecords()
        .filter((event) => event.eventName === name)
        .map(({ errorCode = 'ok' }) => errorCode);
    const objects = () => labels(daemon).filter((label) => label === `keyhold/${keyId}`).length;
    await parameters.send(wrapped);

    // An import destroys objects of its own first.
    const calls = faults.add('C_DestroyObject', 'count');
    await parameters.send(wrapped);
    const after = calls.fired - 1;
    calls.clear();
    let rule = faults.add('C_DestroyObject', 'fail', { argument: CKR_DEVICE_ERROR, after });
    await t.resolves(parameters.send(wrapped), 'the same material again, whose object is not needed');
    t.ok(rule.fired > 0, 'its object could not be destroyed');
    t.same(events('ImportKeyMaterial'), ['ok', 'ok', 'ok']);
    rule.clear();
    await client.close();
    await daemon.stop();
    t.match(daemon.stderr, /work after a change failed/);
    await daemon.start();
    t.equal(objects(), 1, 'a start destroys what is left');

    const again = await daemon.connect({ maxAttempts: 1 });
    rule = faults.add('C_DestroyObject', 'fail', { argument: CKR_DEVICE_ERROR });
    await t.resolves(again.deleteImportedKeyMaterial({ keyId }));
    t.ok(rule.fired > 0);
    t.same(events('DeleteImportedKeyMaterial'), ['ok']);
    t.match(await describe(again, keyId), { keyState: 'PendingImport' });
    rule.clear();
    await again.close();
    await daemon.stop();
    await daemon.start();
    t.equal(objects(), 0);
  },
);
