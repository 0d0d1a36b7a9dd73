// The contract of a key store on any module: a key of each supported key spec is created, used, found again after a
// restart, and destroyed without a trace.
import { randomBytes } from 'node:crypto';
import type { Test } from 'tap';
import type { KeySpec, KeyUsageType, SigningAlgorithmSpec } from '../../proto/generated/messages.js';
import type { KeyStore, ObjectId } from '../../daemon/hsm/key-store.js';
import { capabilitiesOf } from '../../daemon/keys/specs/mechanisms.js';
import { signingInput } from '../../daemon/keys/specs/signing-input.js';
import { keySpecs, type KeyUsageEntry, usageIn } from '../../daemon/keys/specs/table.js';
import { trialsOf } from '../../daemon/keys/specs/algorithm-probe.js';

/** A result made with a key that must still be valid after a restart. */
type Keepsake = (store: KeyStore) => Promise<boolean>;

interface Made {
  readonly name: string;
  readonly id: ObjectId;
  readonly keepsake: Keepsake;
}

const message = Buffer.from('made before the restart');
const aad = Buffer.from('context');

async function keepsakeOf(store: KeyStore, id: ObjectId, usage: KeyUsageEntry): Promise<Keepsake> {
  const { mac = {}, signing = {}, encryption = {}, encapsulation = {} } = usage;
  const [macMechanism] = Object.values(mac);
  if (macMechanism) {
    const made = await store.sign(id, macMechanism, 'none', message);
    return (later) => later.verify(id, macMechanism, 'none', message, made);
  }
  const [signingEntry] = Object.entries(signing);
  if (signingEntry) {
    const [name, algorithm] = signingEntry;
    const { mechanism, conversion } = algorithm;
    const data = signingInput(name as SigningAlgorithmSpec, algorithm, message);
    const made = await store.sign(id, mechanism, conversion, data);
    return (later) => later.verify(id, mechanism, conversion, data, made);
  }
  const [cipher] = Object.values(encryption);
  if (cipher) {
    const key = { suite: cipher.cipher, id };
    const bound = usage.suite === undefined ? Buffer.alloc(0) : aad;
    const made = await store.encrypt(key, bound, message);
    return async (later) => (await later.decrypt(key, bound, made)).equals(message);
  }
  const [kem] = Object.values(encapsulation);
  if (kem) {
    const { ciphertext, secret } = await store.encapsulate(id, kem.mechanism);
    return async (later) => (await later.decapsulate(id, kem.mechanism, ciphertext)).equals(secret);
  }
  const publicKey = await store.publicKey(id);
  return async (later) => (await later.publicKey(id)).equals(publicKey);
}

/** Runs the contract. @param open connects to the same token each time */
export async function keyStoreContract(t: Test, open: () => Promise<KeyStore>): Promise<void> {
  let store = await open();
  const before = store.objects.length;
  const possible = new Set(
    capabilitiesOf(store)
      .filter(({ supported }) => supported)
      .map(({ keySpec, keyUsage }) => `${keySpec} ${keyUsage}`),
  );
  const made: Made[] = [];
  for (const name of possible) {
    const [keySpec, keyUsage] = name.split(' ') as [KeySpec, KeyUsageType];
    const usage = usageIn(store, keySpec, keyUsage)!;
    const id = randomBytes(16);
    await store.generate(id, `keyhold/${name}`.slice(0, 64), usage.template);
    for (const { algorithm, run } of trialsOf(usage))
      t.ok(await run(store, id), `${keySpec} ${keyUsage} ${algorithm}`);
    made.push({ name, id, keepsake: await keepsakeOf(store, id, usage) });
  }
  t.not(made.length, 0, `${made.length} of ${Object.keys(keySpecs).length} key specs and their usages`);
  await store.close();

  store = await open();
  for (const { name, id, keepsake } of made) {
    t.ok(await keepsake(store), `${name} after the restart`);
    await store.destroy(id);
    t.notOk(await store.exists(id), `${name} is destroyed`);
    await t.rejects(keepsake(store), { code: 'no-such-object' });
  }
  await store.close();

  store = await open();
  t.equal(store.objects.length, before, 'no object is left');
  await store.close();
}
