// Keys whose materials are in more than one store, while the stores are connected and disconnected.
import { createHmac, randomBytes } from 'node:crypto';
import t from 'tap';
import { type KeyRecord, Keyring, Namer, putKey } from '../../daemon/keys/index.js';
import { LevelStore } from '../../daemon/store/leveldb/leveldb.js';
import { Records } from '../../daemon/store/records/records.js';

const keyId = '1234abcd-12ab-34cd-56ef-1234567890ab';
const storeId = 'cks-0123456789abcdef0';
const material = (byte: string, location?: string) => ({
  materialId: byte.repeat(32),
  objectId: byte.repeat(16),
  createdAt: 1_000,
  ...(location === undefined ? {} : { location }),
});

void t.test('material that waits for its rotation follows the connection of its store', async (t) => {
  const macKey = randomBytes(32);
  const mac = (message: Buffer) => Promise.resolve(createHmac('sha256', macKey).update(message).digest());
  const level = await LevelStore.create(t.testdir());
  t.teardown(() => level.close());
  const records = await Records.load(level, 'store-1', mac);
  const record: KeyRecord = {
    keyId,
    createdAt: 1_000,
    description: '',
    enabled: true,
    keySpec: 'SYMMETRIC_DEFAULT',
    keyUsage: 'ENCRYPT_DECRYPT',
    multiRegion: false,
    origin: 'EXTERNAL',
    keyManager: 'CUSTOMER',
    policy: '{}',
    tags: [],
    materials: [material('aa')],
    pendingMaterial: material('bb', storeId),
  };
  await records.commit(() => [putKey(record)]);
  const keyring = new Keyring(records, new Namer('000000000000', 'us-east-1'));
  const missing = (byte: string) => keyring.existing(keyId).material(byte.repeat(32))?.missing;
  t.equal(missing('aa'), undefined);
  t.equal(missing('bb'), 'all', 'its store is not connected');
  keyring.connected(storeId, []);
  t.equal(missing('bb'), undefined);
  keyring.disconnected(storeId);
  t.equal(missing('bb'), 'all');
  t.equal(missing('aa'), undefined);
});
