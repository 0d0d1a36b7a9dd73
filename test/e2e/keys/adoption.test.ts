// Objects that another program creates in the token of a running daemon.
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ITemplate, KeyGenMechanism, KeyType, ObjectClass, type Session } from 'graphene-pk11';
import t, { type Test } from 'tap';
import type { KeyUsageType } from '../../../proto/generated/messages.js';
import { TestDaemon } from '../../support/daemon.js';
import { openTokenSession } from '../../support/pkcs11-session.js';

const P_256 = Buffer.from('06082a8648ce3d030107', 'hex');
const ofUsage = { encrypt: false, decrypt: false, sign: false, verify: false, wrap: false, unwrap: false };
const aesUsage = { ...ofUsage, encrypt: true, decrypt: true };

/** Another program with access to the token. */
class Owner {
  constructor(readonly session: Session) {}

  static open(t: Test, daemon: TestDaemon): Owner {
    const configuration = join(daemon.home, 'tokens/softhsm2.conf');
    const pin = readFileSync(join(daemon.home, 'tokens/pin'), 'utf8').trim();
    return new Owner(openTokenSession(t, { configuration, label: 'keyhold', pin }));
  }

  /** @param changes attributes that differ from those of an adoptable key */
  secretKey(id: Buffer, label: string, mechanism: KeyGenMechanism, changes: ITemplate) {
    return this.session.generateKey(mechanism, { ...ownTemplate(id, label), valueLen: 32, ...changes });
  }

  aes(id: Buffer, label: string, changes: ITemplate = {}) {
    return this.secretKey(id, label, KeyGenMechanism.AES, { ...aesUsage, ...changes });
  }

  pair(id: Buffer, label: string, mechanism: KeyGenMechanism, open: ITemplate, changes: ITemplate) {
    const common = { token: true, id, label };
    return this.session.generateKeyPair(
      mechanism,
      { ...common, ...open },
      { ...ownTemplate(id, label), ...changes },
    );
  }
}

/** Attributes of a well-protected secret or private key. */
function ownTemplate(id: Buffer, label: string): ITemplate {
  return { token: true, private: true, sensitive: true, extractable: false, id, label };
}

void t.test('adopting', async (t) => {
  const daemon = await TestDaemon.start(t);
  const client = await daemon.connect();
  t.teardown(() => client.close());
  const owner = Owner.open(t, daemon);
  const refused = (message: RegExp) => ({ code: 'ValidationException', message });

  await t.test('an AES key of another program is adopted by its label', async (t) => {
    owner.aes(Buffer.from('01', 'hex'), 'payroll');
    const { keyMetadata } = await client.adoptKey({
      label: 'payroll',
      description: 'since 2019',
      alias: 'alias/payroll',
      tags: [{ tagKey: 'team', tagValue: 'pay' }],
    });
    t.match(keyMetadata, {
      keySpec: 'SYMMETRIC_DEFAULT',
      keyUsage: 'ENCRYPT_DECRYPT',
      origin: 'AWS_KMS',
      keyManager: 'CUSTOMER',
      keyState: 'Enabled',
      description: 'since 2019',
    });
    t.match(keyMetadata.keyholdWarnings, [/may have encrypted messages before/], 'this is the only warning');
    const blobs = await Promise.all(
      Array.from({ length: 200 }, () =>
        client.encrypt({ keyId: 'alias/payroll', plaintext: Buffer.from('salary') }),
      ),
    );
    for (const { ciphertextBlob } of blobs.slice(0, 5)) {
      const { plaintext } = await client.decrypt({ ciphertextBlob });
      t.equal(Buffer.from(plaintext).toString(), 'salary');
    }
    const keyId = keyMetadata.keyId;
    t.match((await client.listResourceTags({ keyId })).tags, [{ tagKey: 'team' }]);
    t.match(daemon.events('AdoptKey')[0], {
      requestParameters: { label: 'payroll', alias: 'alias/payroll' },
      responseElements: { keyMetadata: { keyId } },
    });
    await t.rejects(client.adoptKey({ label: 'payroll' }), { code: 'AlreadyExistsException' });
    await t.rejects(client.adoptKey({ id: '01' }), { code: 'AlreadyExistsException' });
    await client.rotateKeyOnDemand({ keyId });
    const old = await client.decrypt({ ciphertextBlob: blobs[0]!.ciphertextBlob });
    t.equal(
      Buffer.from(old.plaintext).toString(),
      'salary',
      'old ciphertexts decrypt after a rotation to material of the HSM',
    );
  });

  await t.test('an HMAC key, an RSA pair and EC pairs are adopted by their IDs', async (t) => {
    const hmac = randomBytes(20);
    const mac = { ...ofUsage, sign: true, verify: true };
    owner.secretKey(hmac, 'hmac', KeyGenMechanism.GENERIC_SECRET, mac);
    await t.rejects(client.adoptKey({ id: hmac.toString('hex') }), refused(/must specify a KeyUsage/));
    const macKey = await client.adoptKey({ id: hmac.toString('hex'), keyUsage: 'GENERATE_VERIFY_MAC' });
    t.equal(macKey.keyMetadata.keySpec, 'HMAC_256');
    t.equal(macKey.keyMetadata.keyholdWarnings, undefined);
    await client.generateMac({
      keyId: macKey.keyMetadata.keyId,
      message: Buffer.from('m'),
      macAlgorithm: 'HMAC_SHA_256',
    });

    const noPrivateUse = { decrypt: false, sign: false, signRecover: false, unwrap: false, derive: false };
    const { RSA, EC } = KeyGenMechanism;
    const pairs: readonly [KeyUsageType, string, KeyGenMechanism, ITemplate, ITemplate][] = [
      ['SIGN_VERIFY', 'RSA_2048', RSA, { modulusBits: 2048, verify: true }, { sign: true }],
      ['ENCRYPT_DECRYPT', 'RSA_2048', RSA, { modulusBits: 2048, encrypt: true }, { decrypt: true }],
      ['SIGN_VERIFY', 'ECC_NIST_P256', EC, { paramsEC: P_256, verify: true }, { sign: true }],
      ['KEY_AGREEMENT', 'ECC_NIST_P256', EC, { paramsEC: P_256 }, { derive: true }],
    ];
    for (const [keyUsage, keySpec, mechanism, open, secret] of pairs) {
      const id = randomBytes(3);
      owner.pair(id, 'pair', mechanism, open, { ...noPrivateUse, ...secret });
      const { keyMetadata } = await client.adoptKey({ id: id.toString('hex').toUpperCase(), keyUsage });
      t.match(keyMetadata, { keySpec, keyUsage, keyholdWarnings: undefined });
      t.ok((await client.getPublicKey({ keyId: keyMetadata.keyId })).publicKey.length > 60);
    }
  });

  await t.test('describe-key shows weaknesses, also after a restart', async (t) => {
    const id = randomBytes(8);
    owner.session.create({
      ...{ class: ObjectClass.SECRET_KEY, keyType: KeyType.AES, value: randomBytes(32) },
      ...{ ...ownTemplate(id, 'brought along'), ...aesUsage, wrap: true },
    });
    const { keyId } = (await client.adoptKey({ label: 'brought along' })).keyMetadata;
    const { keyMetadata } = await client.describeKey({ keyId: keyId });
    t.match(keyMetadata.keyholdWarnings, [
      /CKA_ALWAYS_SENSITIVE/,
      /CKA_NEVER_EXTRACTABLE/,
      /CKA_LOCAL/,
      /CKA_WRAP/,
      /messages/,
    ]);
    const shown = await daemon.cli([
      'describe-key',
      '--key-id',
      keyId,
      '--query',
      'KeyMetadata.KeyholdWarnings',
    ]);
    t.match(shown.stdout, /copies of it outside the HSM/);
  });

  await t.test(
    'an object that is not protected, or unfit for its usage, is refused with all reasons',
    async (t) => {
      const cases: readonly [string, RegExp, ITemplate, KeyUsageType?][] = [
        ['readable', /CKA_SENSITIVE is not true/, { sensitive: false }],
        ['extractable', /CKA_EXTRACTABLE is not false/, { extractable: true }],
        ['public', /CKA_PRIVATE is not true/, { private: false }],
        ['encrypts only', /CKA_DECRYPT is not true/, { decrypt: false }],
        ['short', /no key spec .* 16 bytes/, { valueLen: 16 }],
        ['wrong usage', /SIGN_VERIFY is not compatible with KeySpec SYMMETRIC_DEFAULT/, {}, 'SIGN_VERIFY'],
        ['many', /SENSITIVE.*EXTRACTABLE/, { sensitive: false, extractable: true }],
      ];
      for (const [label, message, changes, keyUsage] of cases) {
        owner.aes(randomBytes(4), label, changes);
        await t.rejects(client.adoptKey({ label, keyUsage }), refused(message), label);
      }
      await t.rejects(
        client.adoptKey({ label: 'nothing' }),
        refused(/no secret or private key with the label/),
      );
      await t.rejects(client.adoptKey({ id: 'ff' }), refused(/no secret or private key/));
      await t.rejects(client.adoptKey({}), refused(/exactly one/));
      await t.rejects(client.adoptKey({ label: 'a', id: 'ff' }), refused(/exactly one/));
      await t.rejects(client.adoptKey({ id: 'xyz1' }), refused(/pattern/));
      owner.aes(randomBytes(4), 'late');
      const taken = client.adoptKey({ label: 'late', alias: 'alias/payroll' });
      await t.rejects(taken, { code: 'AlreadyExistsException' });
      const reserved = client.adoptKey({ label: 'late', alias: 'alias/aws/s3' });
      await t.rejects(reserved, { code: 'NotAuthorizedException' });
    },
  );

  await t.test('an object that Keyhold could not find again reliably is refused', async (t) => {
    owner.aes(Buffer.alloc(0), 'without id');
    await t.rejects(client.adoptKey({ label: 'without id' }), refused(/has no CKA_ID/));
    owner.aes(randomBytes(4), 'twice');
    owner.aes(randomBytes(4), 'twice');
    await t.rejects(client.adoptKey({ label: 'twice' }), refused(/has 2 keys with the label/));
    const id = randomBytes(4);
    const both = [owner.aes(id, 'one of two'), owner.aes(id, 'two of two')];
    await t.rejects(client.adoptKey({ label: 'one of two' }), refused(/More than one key has this CKA_ID/));
    both[1]!.id = randomBytes(4);
    t.ok(await client.adoptKey({ label: 'one of two' }), 'the object is adopted once the IDs differ');
  });

  await t.test('a private key without its public key, or with another one, is refused', async (t) => {
    const [id, other] = [randomBytes(4), randomBytes(4)];
    const open = { paramsEC: P_256, verify: true };
    const first = owner.pair(id, 'mixed', KeyGenMechanism.EC, open, { sign: true });
    const second = owner.pair(other, 'spare', KeyGenMechanism.EC, open, { sign: true });
    first.publicKey.destroy();
    const attempt = () => client.adoptKey({ label: 'mixed', keyUsage: 'SIGN_VERIFY' });
    await t.rejects(attempt(), refused(/no public key with its CKA_ID/));
    second.publicKey.id = id;
    await t.rejects(attempt(), refused(/its public key is not that of its private key/));
  });

  await t.test('keys of Keyhold itself cannot be adopted', async (t) => {
    const { keyMetadata } = await client.createKey({});
    const named = client.adoptKey({ label: `keyhold/${keyMetadata.keyId}` });
    await t.rejects(named, { code: 'AlreadyExistsException' });
    for (const purpose of ['record-mac', 'secrets', 'audit-signing']) {
      const attempt = client.adoptKey({ label: `keyhold/internal/${purpose}`, keyUsage: 'SIGN_VERIFY' });
      await t.rejects(attempt, { code: 'AlreadyExistsException' }, purpose);
    }
    owner.aes(randomBytes(16), 'keyhold/internal/secrets of another');
    const other = client.adoptKey({ label: 'keyhold/internal/secrets of another' });
    await t.rejects(other, refused(/key of a Keyhold/));
  });

  await t.test('simultaneous adoptions of one object create one key', async (t) => {
    owner.aes(randomBytes(5), 'wanted');
    const attempts = await Promise.allSettled(
      Array.from({ length: 8 }, () => client.adoptKey({ label: 'wanted' })),
    );
    t.equal(attempts.filter(({ status }) => status === 'fulfilled').length, 1);
  });

  await t.test('an object that does not allow copies is adopted too', async (t) => {
    owner.aes(randomBytes(5), 'fixed', { modifiable: false });
    const { keyId } = (await client.adoptKey({ label: 'fixed' })).keyMetadata;
    const { ciphertextBlob } = await client.encrypt({ keyId: keyId, plaintext: Buffer.from('x') });
    t.equal(Buffer.from((await client.decrypt({ ciphertextBlob })).plaintext).toString(), 'x');
  });

  await t.test('the command line adopts an object, and the key survives kill -9', async (t) => {
    owner.aes(Buffer.from('c0ffee', 'hex'), 'from the shell');
    const adopted = await daemon.cli([
      'adopt',
      ...['--id', 'c0ffee', '--alias', 'alias/shell', '--tags', 'TagKey=a,TagValue=b'],
      ...['--query', 'KeyMetadata.KeyId', '--output', 'text'],
    ]);
    t.equal(adopted.code, 0, adopted.stderr);
    const { ciphertextBlob } = await client.encrypt({ keyId: 'alias/shell', plaintext: Buffer.from('x') });
    await daemon.stop('SIGKILL');
    await daemon.start();
    const again = await daemon.connect();
    const { plaintext } = await again.decrypt({ ciphertextBlob });
    t.equal(Buffer.from(plaintext).toString(), 'x');
    const { keyMetadata } = await again.describeKey({ keyId: adopted.stdout.trim() });
    t.match(keyMetadata, { keyState: 'Enabled', keyholdWarnings: [/messages/] });
    t.equal((await again.describeKey({ keyId: 'alias/payroll' })).keyMetadata.keyState, 'Enabled');
    await again.close();
  });
});
