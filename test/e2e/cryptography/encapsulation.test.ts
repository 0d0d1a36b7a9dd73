// Encapsulate and Decapsulate with the NSS of firefox-esr, checked by another implementation of ML-KEM (FIPS 203).
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DecapsulateCommand, EncapsulateCommand, KMSClient } from '@aws-sdk/client-kms';
import { ml_kem1024, ml_kem768 } from '@noble/post-quantum/ml-kem.js';
import t from 'tap';
import { clientConfig } from '../../support/aws/aws.js';
import { reaches } from '../../support/custom-key-store.js';
import { TestDaemon } from '../../support/daemon.js';
import { firefoxNssNeeds, writeFirefoxProfile } from '../../support/firefox-nss.js';

const pin = 'nss-pin-1234';
const encapsulationAlgorithm = 'ML_KEM';
const keyUsage = 'ENCAPSULATE_DECAPSULATE';
/** FIPS 203, table 3, and the last arc of the OID (RFC 9935, section 3). */
const sets = {
  ML_KEM_768: { other: ml_kem768, keyLength: 1184, ciphertextLength: 1088, arc: 2 },
  ML_KEM_1024: { other: ml_kem1024, keyLength: 1568, ciphertextLength: 1568, arc: 3 },
} as const;
const isThere = firefoxNssNeeds.every((path) => existsSync(path));

void t.test(
  'key encapsulation',
  { skip: !isThere && 'SKIPPED: needs apt-get install libnss3-tools, and scripts/firefox-nss' },
  async (t) => {
    const daemon = await TestDaemon.initialise();
    t.teardown(() => daemon.remove());
    const folder = join(daemon.home, 'tokens/nss');
    mkdirSync(folder);
    const pinFile = join(daemon.home, 'tokens/nss-pin');
    writeFileSync(pinFile, pin, { mode: 0o600 });
    execFileSync('certutil', ['-N', '-d', `sql:${folder}`, '-f', pinFile], { stdio: 'ignore' });
    const profile = writeFirefoxProfile(daemon.home);
    const cluster = 'cluster-nss-firefox';
    daemon.configure(
      `clusters:\n  ${cluster}:\n    profile: ${profile}\n    tokenLabel: NSS Certificate DB\n    workers: 2`,
    );
    await daemon.start();
    const client = await daemon.connect({ maxAttempts: 1 });
    t.teardown(() => client.close());
    const refuses = (attempt: Promise<unknown>, code: string, name = code) =>
      t.rejects(attempt, { code }, name);
    const { customKeyStoreId } = await client.createCustomKeyStore({
      customKeyStoreName: 'nss',
      cloudHsmClusterId: cluster,
      trustAnchorCertificate: 'none',
      keyStorePassword: pin,
    });
    await client.connectCustomKeyStore({ customKeyStoreId });
    t.ok(await reaches(client, customKeyStoreId, 'CONNECTED'));
    const place = { customKeyStoreId, origin: 'AWS_CLOUDHSM', keyUsage } as const;
    const kept: { keyId: string; sharedSecretCiphertextBlob: Uint8Array; sharedSecret: Buffer }[] = [];
    const secrets: Buffer[] = [];

    for (const keySpec of ['ML_KEM_768', 'ML_KEM_1024'] as const) {
      const { other, keyLength, ciphertextLength, arc } = sets[keySpec];
      await t.test(`${keySpec} decapsulates what another implementation encapsulated`, async (t) => {
        const { keyMetadata } = await client.createKey({ ...place, keySpec });
        t.match(keyMetadata, { keySpec, keyUsage, encapsulationAlgorithms: ['ML_KEM'] });
        const { keyId, arn } = keyMetadata;
        const shown = await client.getPublicKey({ keyId });
        t.match(shown, { keySpec, keyUsage, encapsulationAlgorithms: ['ML_KEM'] });
        const info = Buffer.from(shown.publicKey);
        const publicKey = info.subarray(-keyLength);
        const oid = Buffer.from(`060960864801650304040${arc}`, 'hex');
        t.equal(info.indexOf(oid), 6, 'the OID stands in the first place of an AlgorithmIdentifier');
        t.equal(info.length, keyLength + 22, 'the AlgorithmIdentifier has no parameters');

        const made = await client.encapsulate({ keyId, encapsulationAlgorithm });
        t.match(made, { keyId: arn, encapsulationAlgorithm });
        t.equal(made.sharedSecretCiphertextBlob.length, ciphertextLength);
        t.equal(made.sharedSecret.length, 32);
        for (let i = 0; i < 20; i++) {
          const { cipherText, sharedSecret } = other.encapsulate(publicKey);
          const request = { keyId, encapsulationAlgorithm, sharedSecretCiphertextBlob: cipherText } as const;
          const answer = await client.decapsulate(request);
          t.match(answer, { keyId: arn, encapsulationAlgorithm });
          t.ok(Buffer.from(sharedSecret).equals(answer.sharedSecret));
        }
        const { sharedSecretCiphertextBlob } = made;
        const again = { keyId, encapsulationAlgorithm, sharedSecretCiphertextBlob } as const;
        t.ok(Buffer.from(made.sharedSecret).equals((await client.decapsulate(again)).sharedSecret));
        kept.push({ keyId, sharedSecretCiphertextBlob, sharedSecret: Buffer.from(made.sharedSecret) });
        secrets.push(Buffer.from(made.sharedSecret));

        const changed = Buffer.from(sharedSecretCiphertextBlob);
        changed[0]! ^= 1;
        const rejected = await client.decapsulate({ ...again, sharedSecretCiphertextBlob: changed });
        t.equal(rejected.sharedSecret.length, 32);
        t.notOk(Buffer.from(made.sharedSecret).equals(rejected.sharedSecret), 'implicit rejection');
        const repeated = await client.decapsulate({ ...again, sharedSecretCiphertextBlob: changed });
        t.same(repeated.sharedSecret, rejected.sharedSecret, 'which always gives the same secret');
        for (const length of [1, ciphertextLength - 1, ciphertextLength + 1])
          await refuses(
            client.decapsulate({ ...again, sharedSecretCiphertextBlob: randomBytes(length) }),
            'InvalidCiphertextException',
            `${length} bytes`,
          );
      });
    }

    await t.test('usage, dry run, grants, states and specs are checked', async (t) => {
      const [{ keyId, sharedSecretCiphertextBlob }] = kept as [(typeof kept)[0]];
      const { keyId: signer } = (await client.createKey({ keySpec: 'RSA_2048', keyUsage: 'SIGN_VERIFY' }))
        .keyMetadata;
      await refuses(
        client.encapsulate({ keyId: signer, encapsulationAlgorithm }),
        'InvalidKeyUsageException',
      );
      const back = { encapsulationAlgorithm, sharedSecretCiphertextBlob } as const;
      await refuses(client.decapsulate({ ...back, keyId: signer }), 'InvalidKeyUsageException');
      await refuses(
        client.encapsulate({ keyId, encapsulationAlgorithm, dryRun: true }),
        'DryRunOperationException',
      );
      await refuses(client.decapsulate({ ...back, keyId, dryRun: true }), 'DryRunOperationException');
      const grantee = { keyId, granteePrincipal: (await client.getCallerIdentity({})).arn };
      t.ok(
        await client.createGrant({ ...grantee, operations: ['Encapsulate', 'Decapsulate', 'GetPublicKey'] }),
      );
      await refuses(
        client.createGrant({ ...grantee, operations: ['DeriveSharedSecret'] }),
        'ValidationException',
      );
      await client.disableKey({ keyId });
      await refuses(client.encapsulate({ keyId, encapsulationAlgorithm }), 'DisabledException');
      await refuses(client.decapsulate({ ...back, keyId }), 'DisabledException');
      await client.enableKey({ keyId });
      await refuses(client.createKey({ ...place, keySpec: 'ML_KEM_512' }), 'UnsupportedOperationException');
      await refuses(
        client.createKey({ ...place, keySpec: 'ML_KEM_768', keyUsage: 'SIGN_VERIFY' }),
        'ValidationException',
      );
      await t.rejects(client.createKey({ keySpec: 'ML_KEM_768', keyUsage }), {
        code: 'UnsupportedOperationException',
        message: /its module lacks CKM_ML_KEM_KEY_PAIR_GEN, CKM_ML_KEM/,
      });
    });

    await t.test('after a restart the same keys work, for the SDK of AWS too', async (t) => {
      await daemon.stop();
      await daemon.start();
      t.ok(await reaches(client, customKeyStoreId, 'CONNECTED'));
      const kms = new KMSClient(clientConfig(daemon));
      t.teardown(() => kms.destroy());
      for (const { keyId, sharedSecretCiphertextBlob, sharedSecret } of kept) {
        const input = { KeyId: keyId, EncapsulationAlgorithm: encapsulationAlgorithm } as const;
        const back = { ...input, SharedSecretCiphertextBlob: sharedSecretCiphertextBlob };
        t.ok(sharedSecret.equals((await kms.send(new DecapsulateCommand(back))).SharedSecret!));
        const made = await kms.send(new EncapsulateCommand(input));
        const blob = { SharedSecretCiphertextBlob: made.SharedSecretCiphertextBlob };
        const answer = await kms.send(new DecapsulateCommand({ ...input, ...blob }));
        t.same(answer.SharedSecret, made.SharedSecret);
        secrets.push(Buffer.from(made.SharedSecret!));
      }
      t.same((await daemon.health()).warnings, []);
    });

    await t.test('the audit log shows the algorithm, but no secret', (t) => {
      const events = daemon.auditRecords();
      const own = events.filter(({ eventName }) => /^(En|De)capsulate$/.test(eventName as string));
      t.match(own[0], { requestParameters: { encapsulationAlgorithm }, responseElements: null });
      const text = JSON.stringify(events);
      for (const secret of secrets)
        for (const form of ['base64', 'hex', 'base64url'] as const)
          t.notOk(text.includes(secret.toString(form)));
      t.end();
    });
  },
);
