// DeriveSharedSecret, checked by Node's crypto and by openssl.
import { createPublicKey, diffieHellman, ECDH, generateKeyPairSync } from 'node:crypto';
import t from 'tap';
import type { KeySpec } from '../../../client/index.js';
import { TestDaemon } from '../../support/daemon.js';
import { openssl, toPem } from '../../support/certificates/openssl.js';

const keyAgreementAlgorithm = 'ECDH';
const curves: Partial<Record<KeySpec, string>> = {
  ECC_NIST_P256: 'prime256v1',
  ECC_NIST_P384: 'secp384r1',
  ECC_NIST_P521: 'secp521r1',
};

function makePair(namedCurve: string) {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve });
  return { publicKey: publicKey.export({ type: 'spki', format: 'der' }), privateKey };
}

void t.test('key agreement', async (t) => {
  const daemon = await TestDaemon.start(t);
  const client = await daemon.connect();
  t.teardown(() => client.close());
  const refuses = (attempt: Promise<unknown>, code: string, name = code) =>
    t.rejects(attempt, { code, retryable: false }, name);
  const keys = new Map<string, string>();

  for (const [keySpec, curve] of Object.entries(curves) as [KeySpec, string][]) {
    await t.test(`${keySpec} agrees with Node and openssl, even on leading zeros`, async (t) => {
      const { keyMetadata } = await client.createKey({ keySpec, keyUsage: 'KEY_AGREEMENT' });
      t.match(keyMetadata, { keyAgreementAlgorithms: ['ECDH'], keyUsage: 'KEY_AGREEMENT' });
      const keyId = keyMetadata.keyId;
      keys.set(keySpec, keyId);
      const shown = await client.getPublicKey({ keyId });
      t.same(shown.keyAgreementAlgorithms, ['ECDH']);
      const publicKey = createPublicKey({ key: Buffer.from(shown.publicKey), type: 'spki', format: 'der' });
      const agree = async (pair: ReturnType<typeof makePair>) => {
        const request = { keyId, keyAgreementAlgorithm, publicKey: pair.publicKey } as const;
        const answer = await client.deriveSharedSecret(request);
        const expected = diffieHellman({ privateKey: pair.privateKey, publicKey });
        t.ok(expected.equals(answer.sharedSecret));
        return answer;
      };
      const beginsWithZero = ({ privateKey }: ReturnType<typeof makePair>) =>
        diffieHellman({ privateKey, publicKey })[0] === 0;
      // One secret in 256 begins with a zero; with P-521 every second one.
      let zero = makePair(curve);
      while (!beginsWithZero(zero)) zero = makePair(curve);
      const [answer] = await Promise.all(
        [zero, ...Array.from({ length: 100 }, () => makePair(curve))].map(agree),
      );
      t.match(answer, { keyId: keyMetadata.arn, keyAgreementAlgorithm, keyOrigin: 'AWS_KMS' });
      const pair = makePair(curve);
      const { sharedSecret } = await client.deriveSharedSecret({
        keyId,
        keyAgreementAlgorithm,
        publicKey: pair.publicKey,
      });
      const args = ['pkeyutl', '-derive', '-inkey', 'private', '-peerkey', 'public'];
      const said = openssl(args, {
        private: pair.privateKey.export({ type: 'pkcs8', format: 'pem' }),
        public: toPem(shown.publicKey),
      });
      t.ok(said.equals(sharedSecret));
    });
  }

  await t.test(
    'a peer’s key that is not a point of the key’s own curve in its one encoding is refused',
    async (t) => {
      const keyId = keys.get('ECC_NIST_P256')!;
      const { publicKey: right } = makePair('prime256v1');
      const changed = (at: number, value: number) => {
        const copy = Buffer.from(right);
        copy[at] = value;
        return copy;
      };
      const prefix = right.subarray(0, 26);
      const point = right.subarray(26);
      const compressed = ECDH.convertKey(point, 'prime256v1', undefined, undefined, 'compressed') as Buffer;
      const compressedSpki = Buffer.concat([Buffer.from(prefix), compressed]);
      compressedSpki[1]! -= 32;
      compressedSpki[24]! -= 32;
      t.ok(
        createPublicKey({ key: compressedSpki, type: 'spki', format: 'der' }),
        'the compressed key is otherwise valid',
      );
      const explicit = openssl(
        [
          'ec',
          '-inform',
          'DER',
          '-pubin',
          '-in',
          'key',
          '-param_enc',
          'explicit',
          '-pubout',
          '-outform',
          'DER',
        ],
        { key: right },
      );
      const wrong = {
        'the last byte of y': changed(90, right[90]! ^ 1),
        'the first byte of x': changed(27, right[27]! ^ 1),
        'a point of zeros': Buffer.concat([prefix, Buffer.of(4), Buffer.alloc(64)]),
        'x and y as large as they can be': Buffer.concat([prefix, Buffer.of(4), Buffer.alloc(64, 255)]),
        infinity: Buffer.from('301a301306072a8648ce3d020106082a8648ce3d03010703030000', 'hex').subarray(
          0,
          27,
        ),
        'another form of point': changed(26, 6),
        'a compressed point': compressedSpki,
        'explicit parameters': explicit,
        'a byte more': Buffer.concat([right, Buffer.of(0)]),
        'a byte less': right.subarray(0, -1),
        'a long form of length': Buffer.concat([Buffer.of(0x30, 0x81), right.subarray(1)]),
        'the point alone': point,
        'a curve of the same size': makePair('secp256k1').publicKey,
        'a larger curve': makePair('secp384r1').publicKey,
        'another kind of key': generateKeyPairSync('x25519').publicKey.export({
          type: 'spki',
          format: 'der',
        }),
        text: Buffer.from('-----BEGIN PUBLIC KEY-----'),
      };
      for (const [name, publicKey] of Object.entries(wrong))
        await refuses(
          client.deriveSharedSecret({ keyId, keyAgreementAlgorithm, publicKey }),
          'ValidationException',
          name,
        );
      t.ok(await client.deriveSharedSecret({ keyId, keyAgreementAlgorithm, publicKey: right }));
    },
  );

  await t.test('keys of other usages, dry runs and disabled keys derive nothing', async () => {
    const { publicKey } = makePair('prime256v1');
    const created = await client.createKey({ keySpec: 'ECC_NIST_P256', keyUsage: 'SIGN_VERIFY' });
    const signer = created.keyMetadata.keyId;
    const request = { keyAgreementAlgorithm, publicKey } as const;
    await refuses(client.deriveSharedSecret({ ...request, keyId: signer }), 'InvalidKeyUsageException');
    const keyId = keys.get('ECC_NIST_P256')!;
    const message = Buffer.from('x');
    await refuses(
      client.sign({ keyId, message, signingAlgorithm: 'ECDSA_SHA_256' }),
      'InvalidKeyUsageException',
    );
    await refuses(client.deriveSharedSecret({ ...request, keyId, dryRun: true }), 'DryRunOperationException');
    await refuses(
      client.deriveSharedSecret({ ...request, keyId, recipient: {} }),
      'UnsupportedOperationException',
    );
    await client.disableKey({ keyId });
    await refuses(client.deriveSharedSecret({ ...request, keyId }), 'DisabledException');
  });

  await t.test('the audit log shows no secret', (t) => {
    const events = daemon.auditRecords().filter(({ eventName }) => eventName === 'DeriveSharedSecret');
    t.ok(events.length > 300);
    for (const event of events) t.equal(event.responseElements, null);
    t.end();
  });
});
