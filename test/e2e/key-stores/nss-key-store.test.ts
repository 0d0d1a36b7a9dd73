// A custom key store on another vendor's module: NSS softokn (Debian: libnss3, libnss3-tools).
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { TestDaemon } from '../../support/daemon.js';
import { reaches } from '../../support/custom-key-store.js';

const pin = 'nss-pin-1234';
const plaintext = Buffer.from('attack at dawn');
const isThere = existsSync('/usr/lib/x86_64-linux-gnu/libsoftokn3.so') && existsSync('/usr/bin/certutil');

void t.test(
  'keys work in NSS softokn, and key specs that it lacks are refused with the mechanism',
  { skip: !isThere && 'SKIPPED: needs apt-get install libnss3 libnss3-tools' },
  async (t) => {
    const daemon = await TestDaemon.initialise();
    t.teardown(() => daemon.remove());
    const folder = join(daemon.home, 'tokens/nss');
    mkdirSync(folder);
    const pinFile = join(daemon.home, 'tokens/nss-pin');
    writeFileSync(pinFile, pin, { mode: 0o600 });
    execFileSync('certutil', ['-N', '-d', `sql:${folder}`, '-f', pinFile], { stdio: 'ignore' });
    const cluster = 'cluster-nss-softokn';
    daemon.configure(
      `clusters:\n  ${cluster}:\n    profile: nss\n    tokenLabel: NSS Certificate DB\n    workers: 2`,
    );
    await daemon.start();
    const client = await daemon.connect({ maxAttempts: 1 });
    t.teardown(() => client.close());
    const { customKeyStoreId } = await client.createCustomKeyStore({
      customKeyStoreName: 'nss',
      cloudHsmClusterId: cluster,
      trustAnchorCertificate: 'none',
      keyStorePassword: pin,
    });
    await client.connectCustomKeyStore({ customKeyStoreId: customKeyStoreId });
    t.ok(await reaches(client, customKeyStoreId, 'CONNECTED'));
    const place = { customKeyStoreId: customKeyStoreId, origin: 'AWS_CLOUDHSM' } as const;

    const keyId = (await client.createKey(place)).keyMetadata.keyId;
    const { keyId: own } = (await client.createKey({})).keyMetadata;
    const encryptionContext = { a: 'b' };
    const { ciphertextBlob } = await client.encrypt({ keyId, plaintext, encryptionContext });
    t.same(Buffer.from((await client.decrypt({ ciphertextBlob, encryptionContext })).plaintext), plaintext);
    await t.rejects(client.decrypt({ ciphertextBlob }), { code: 'InvalidCiphertextException' });
    const moved = await client.reEncrypt({
      ciphertextBlob,
      sourceEncryptionContext: encryptionContext,
      destinationKeyId: own,
    });
    const read = await client.decrypt({ ciphertextBlob: moved.ciphertextBlob });
    t.same(
      Buffer.from(read.plaintext),
      plaintext,
      'a ciphertext can be re-encrypted from one vendor’s module to the other’s',
    );

    const mac = (await client.createKey({ ...place, keySpec: 'HMAC_384', keyUsage: 'GENERATE_VERIFY_MAC' }))
      .keyMetadata.keyId;
    const macs = { keyId: mac, message: plaintext, macAlgorithm: 'HMAC_SHA_384' } as const;
    t.ok((await client.verifyMac({ ...macs, mac: (await client.generateMac(macs)).mac })).macValid);
    const ec = (await client.createKey({ ...place, keySpec: 'ECC_NIST_P384', keyUsage: 'SIGN_VERIFY' }))
      .keyMetadata.keyId;
    const signing = { keyId: ec, message: plaintext, signingAlgorithm: 'ECDSA_SHA_384' } as const;
    const { signature } = await client.sign(signing);
    t.ok((await client.verify({ ...signing, signature: signature })).signatureValid);

    const edwards = { ...place, keySpec: 'ECC_NIST_EDWARDS25519', keyUsage: 'SIGN_VERIFY' } as const;
    await t.rejects(client.createKey(edwards), {
      code: 'UnsupportedOperationException',
      message: /lacks CKM_EC_EDWARDS_KEY_PAIR_GEN, CKM_EDDSA/,
    });
    const koblitz = { ...place, keySpec: 'ECC_SECG_P256K1', keyUsage: 'SIGN_VERIFY' } as const;
    await t.rejects(
      client.createKey(koblitz),
      { code: 'UnsupportedOperationException' },
      'a curve that NSS lacks is refused',
    );

    await daemon.stop();
    await daemon.start();
    t.ok(await reaches(client, customKeyStoreId, 'CONNECTED'));
    t.same(Buffer.from((await client.decrypt({ ciphertextBlob, encryptionContext })).plaintext), plaintext);
    t.same((await daemon.health()).warnings, []);
  },
);
