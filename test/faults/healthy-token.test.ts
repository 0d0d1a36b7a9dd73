// The default token fails in every way, and requests for keys of another token are not affected.
import pkcs11 from 'pkcs11js';
import t from 'tap';
import { addTokens, connectedStore } from '../support/custom-key-store.js';
import { TestDaemon } from '../support/daemon.js';
import { makeFaulty } from './faulty-home.js';

void t.test('a key store next to a failing one answers every request in time', async (t) => {
  const daemon = await TestDaemon.initialise();
  t.teardown(() => daemon.remove());
  const faults = makeFaulty(daemon);
  t.teardown(() => {
    faults.clear();
    faults.close();
  });
  const [lab] = addTokens(daemon, { label: 'well' });
  await daemon.start();
  const client = await daemon.connect({ maxAttempts: 1 });
  t.teardown(() => client.close());
  const customKeyStoreId = await connectedStore(client, lab!);
  const newKey = async (place: object) => (await client.createKey(place)).keyMetadata.keyId;
  const keyId = await newKey({ customKeyStoreId, origin: 'AWS_CLOUDHSM' });
  const sick = await newKey({});
  const ask = async (key: string) => {
    const { ciphertextBlob } = await client.encrypt({ keyId: key, plaintext: Buffer.from('x') });
    await client.decrypt({ ciphertextBlob: ciphertextBlob });
  };

  const asking = async (milliseconds: number) => {
    const took: number[] = [];
    const errors: string[] = [];
    const end = performance.now() + milliseconds;
    const lane = async () => {
      while (performance.now() < end) {
        const began = performance.now();
        await ask(keyId).catch((error: unknown) => errors.push(String(error)));
        took.push(performance.now() - began);
      }
    };
    // Other clients request the key in the failing token, and wait.
    const waiting = async () => {
      while (performance.now() < end) {
        await ask(sick).catch(() => undefined);
        await new Promise((done) => setTimeout(done, 20));
      }
    };
    await Promise.all([lane(), lane(), lane(), lane(), waiting(), waiting()]);
    took.sort((a, b) => a - b);
    return { errors, count: took.length, p99: took[Math.floor(took.length * 0.99)]! };
  };
  const told = ({ count, p99 }: { count: number; p99: number }) =>
    `${count} answers, p99 ${p99.toFixed(1)} ms`;
  const calm = await asking(2_000);
  t.strictSame(calm.errors, []);
  t.comment(`without a fault: ${told(calm)}`);
  for (const [what, begin] of [
    ['errors', () => faults.add('*', 'fail', { argument: pkcs11.CKR_DEVICE_REMOVED })],
    ['crashes', () => faults.add('*', 'crash')],
    ['hangs', () => faults.add('*', 'hang')],
  ] as const) {
    const rule = begin();
    const { errors, ...figures } = await asking(4_000);
    rule.clear();
    t.strictSame(errors, [], `${what}: the healthy key store returns no error`);
    t.ok(figures.count > 0 && rule.fired > 0);
    t.comment(`${what}: ${told(figures)}`);
  }
});
