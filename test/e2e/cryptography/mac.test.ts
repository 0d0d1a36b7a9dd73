// GenerateMac and VerifyMac with every HMAC spec. No key leaves the HSM, so test/hsm/wycheproof.test.ts checks the values.
import { randomBytes } from 'node:crypto';
import t from 'tap';
import type { KeySpec, MacAlgorithmSpec } from '../../../client/index.js';
import { TestDaemon } from '../../support/daemon.js';

const message = Buffer.from('attack at dawn');

void t.test('MACs', async (t) => {
  const daemon = await TestDaemon.start(t);
  const client = await daemon.connect();
  t.teardown(() => client.close());
  const refuses = (attempt: Promise<unknown>, code: string, name = code) =>
    t.rejects(attempt, { code, retryable: false }, name);

  for (const bits of [224, 256, 384, 512]) {
    const keySpec = `HMAC_${bits}` as KeySpec;
    const macAlgorithm = `HMAC_SHA_${bits}` as MacAlgorithmSpec;
    await t.test(`${keySpec} makes MACs as long as its hash, and verifies only these`, async (t) => {
      const { keyMetadata } = await client.createKey({ keySpec, keyUsage: 'GENERATE_VERIFY_MAC' });
      t.match(keyMetadata, { keySpec, keyUsage: 'GENERATE_VERIFY_MAC', macAlgorithms: [macAlgorithm] });
      const keyId = keyMetadata.keyId;
      const other = (await client.createKey({ keySpec, keyUsage: 'GENERATE_VERIFY_MAC' })).keyMetadata.keyId;
      for (const text of [Buffer.of(0), message, randomBytes(4096)]) {
        const made = await client.generateMac({ keyId, message: text, macAlgorithm });
        t.match(made, { keyId: keyMetadata.arn, macAlgorithm });
        const mac = made.mac;
        t.equal(mac.length, bits / 8);
        t.same((await client.generateMac({ keyId, message: text, macAlgorithm })).mac, mac);
        t.same(await client.verifyMac({ keyId, message: text, macAlgorithm, mac }), {
          keyId: keyMetadata.arn,
          macAlgorithm,
          macValid: true,
        });
        const wrong = [...mac.keys()].map((at) => {
          const changed = Buffer.from(mac);
          changed[at]! ^= 0x80;
          return changed;
        });
        wrong.push(Buffer.from(mac.subarray(0, 16)), Buffer.of(mac[0]!), Buffer.concat([mac, mac]));
        for (const bad of wrong)
          await refuses(
            client.verifyMac({ keyId, message: text, macAlgorithm, mac: bad }),
            'KMSInvalidMacException',
          );
        const request = { message: text, macAlgorithm, mac };
        await refuses(client.verifyMac({ ...request, keyId: other }), 'KMSInvalidMacException');
        await refuses(
          client.verifyMac({ ...request, keyId, message: randomBytes(8) }),
          'KMSInvalidMacException',
        );
      }
      for (const length of [0, 4097])
        await refuses(
          client.generateMac({ keyId, macAlgorithm, message: Buffer.alloc(length) }),
          'ValidationException',
        );
      const wrongAlgorithm = bits === 256 ? 'HMAC_SHA_512' : 'HMAC_SHA_256';
      await refuses(
        client.generateMac({ keyId, message, macAlgorithm: wrongAlgorithm }),
        'InvalidKeyUsageException',
      );
      const dryRun = { keyId, message, macAlgorithm, dryRun: true };
      await refuses(client.generateMac(dryRun), 'DryRunOperationException');
      await refuses(client.verifyMac({ ...dryRun, mac: Buffer.of(1) }), 'KMSInvalidMacException');
      const { mac } = await client.generateMac({ ...dryRun, dryRun: false });
      await refuses(client.verifyMac({ ...dryRun, mac: mac }), 'DryRunOperationException');
      await refuses(client.getPublicKey({ keyId }), 'UnsupportedOperationException');
      await client.disableKey({ keyId });
      await refuses(client.generateMac({ keyId, message, macAlgorithm }), 'DisabledException');
      await refuses(
        client.verifyMac({ keyId, message, macAlgorithm, mac: Buffer.of(1) }),
        'DisabledException',
      );
    });
  }

  await t.test('a key with another usage makes no MACs', async () => {
    const keyId = (await client.createKey({})).keyMetadata.keyId;
    await refuses(
      client.generateMac({ keyId, message, macAlgorithm: 'HMAC_SHA_256' }),
      'InvalidKeyUsageException',
    );
  });
});
