// A multi-Region key of every spec and usage is replicated, and used in both Regions with each of its algorithms.
import { generateKeyPairSync } from 'node:crypto';
import t, { type Test } from 'tap';
import { type Client, verify as verifyOffline } from '../../../client/index.js';
import { auditKeys } from '../../../daemon/hsm/link/index.js';
import { keySpecs } from '../../../daemon/keys/specs/table.js';
import type { KeyMetadata, KeySpec, KeyUsageType } from '../../../proto/generated/messages.js';
import { ceremonyOf } from '../../hsm/link/two-regions.js';
import { startLinkedRegions, there, tokenOf, until } from '../../support/regions.js';

// Outside of scripts/test, tap's limit is 30 s; RSA keys take long.
t.setTimeout(900_000);

/** Uses a key in one Region, and what that Region made in the other. */
type Use = (t: Test, from: Client, to: Client, key: KeyMetadata) => Promise<void>;

const message = Buffer.from('attack at dawn');
const encryptionContext = { purpose: 'test' };

const encrypts: Use = async (t, from, to, { keyId, keySpec, encryptionAlgorithms = [] }) => {
  const isSymmetric = keySpec === 'SYMMETRIC_DEFAULT';
  for (const encryptionAlgorithm of encryptionAlgorithms) {
    const options = { encryptionAlgorithm, ...(isSymmetric && { encryptionContext }) };
    const { ciphertextBlob } = await from.encrypt({ keyId, plaintext: message, ...options });
    const { plaintext } = await to.decrypt({ keyId, ciphertextBlob, ...options });
    t.same(Buffer.from(plaintext), message, encryptionAlgorithm);
  }
  if (!isSymmetric) return;
  const dataKey = await from.generateDataKey({ keyId, keySpec: 'AES_256', encryptionContext });
  const { ciphertextBlob } = dataKey;
  const opened = await to.decrypt({ ciphertextBlob, encryptionContext });
  t.same(opened.plaintext, dataKey.plaintext, 'a data key, without a key ID');
  const { privateKeyCiphertextBlob, privateKeyPlaintext } = await from.generateDataKeyPair({
    keyId,
    keyPairSpec: 'ECC_NIST_P256',
  });
  const pair = await to.decrypt({ ciphertextBlob: privateKeyCiphertextBlob });
  t.same(pair.plaintext, privateKeyPlaintext, 'a data key pair');
  const again = await to.reEncrypt({
    ciphertextBlob,
    sourceEncryptionContext: encryptionContext,
    destinationKeyId: keyId,
  });
  t.same((await from.decrypt({ ciphertextBlob: again.ciphertextBlob })).plaintext, dataKey.plaintext);
};

const signs: Use = async (t, from, to, { keyId, signingAlgorithms = [] }) => {
  const { publicKey } = await from.getPublicKey({ keyId });
  t.same((await to.getPublicKey({ keyId })).publicKey, publicKey, 'the public key is the same');
  for (const signingAlgorithm of signingAlgorithms) {
    const request = { message, signingAlgorithm };
    const { signature } = await from.sign({ keyId, ...request });
    t.match(await to.verify({ keyId, ...request, signature }), { signatureValid: true }, signingAlgorithm);
    t.equal(await verifyOffline(publicKey, { ...request, signature }), true);
  }
};

const authenticates: Use = async (t, from, to, { keyId, macAlgorithms = [] }) => {
  for (const macAlgorithm of macAlgorithms) {
    const request = { keyId, message, macAlgorithm };
    const { mac } = await from.generateMac(request);
    t.same((await to.generateMac(request)).mac, mac, macAlgorithm);
    t.match(await to.verifyMac({ ...request, mac }), { macValid: true });
  }
};

const curves: Partial<Record<KeySpec, string>> = {
  ECC_NIST_P256: 'P-256',
  ECC_NIST_P384: 'P-384',
  ECC_NIST_P521: 'P-521',
};

const agrees: Use = async (t, from, to, { keyId, keySpec }) => {
  const peer = generateKeyPairSync('ec', { namedCurve: curves[keySpec]! }).publicKey;
  const publicKey = peer.export({ type: 'spki', format: 'der' });
  const request = { keyId, publicKey, keyAgreementAlgorithm: 'ECDH' } as const;
  const { sharedSecret } = await from.deriveSharedSecret(request);
  t.same((await to.deriveSharedSecret(request)).sharedSecret, sharedSecret);
};

const encapsulates: Use = async (t, from, to, { keyId, encapsulationAlgorithms = [] }) => {
  for (const encapsulationAlgorithm of encapsulationAlgorithms) {
    const made = await from.encapsulate({ keyId, encapsulationAlgorithm });
    const { sharedSecretCiphertextBlob, sharedSecret } = made;
    const request = { keyId, encapsulationAlgorithm, sharedSecretCiphertextBlob };
    t.same((await to.decapsulate(request)).sharedSecret, sharedSecret);
  }
};

const uses: Readonly<Record<KeyUsageType, Use>> = {
  ENCRYPT_DECRYPT: encrypts,
  SIGN_VERIFY: signs,
  GENERATE_VERIFY_MAC: authenticates,
  KEY_AGREEMENT: agrees,
  ENCAPSULATE_DECAPSULATE: encapsulates,
};

const kinds = Object.entries(keySpecs).flatMap(([keySpec, { usages }]) =>
  Object.keys(usages).map((keyUsage) => ({
    keySpec: keySpec as KeySpec,
    keyUsage: keyUsage as KeyUsageType,
  })),
);

const [one, other] = await startLinkedRegions(t);
/** Specs that the module cannot generate or wrap, with the reason that CreateKey gives. */
const refused = new Map<KeySpec, string>();

for (const kind of kinds) {
  await t.test(`${kind.keySpec}, ${kind.keyUsage}`, async (t) => {
    const made = await one.client.createKey({ ...kind, multiRegion: true }).catch((error: unknown) => {
      const { code, message } = error as { code?: string; message: string };
      if (code !== 'UnsupportedOperationException') throw error;
      refused.set(kind.keySpec, message);
      return undefined;
    });
    if (!made) return;
    const { keyId } = made.keyMetadata;
    await one.client.replicateKey({ keyId, replicaRegion: there });
    const replica = await until(
      async () => (await other.client.describeKey({ keyId })).keyMetadata,
      ({ keyState }) => keyState === 'Enabled',
    );
    const shared = (key: KeyMetadata) => {
      const { currentKeyMaterialId, encryptionAlgorithms, signingAlgorithms, macAlgorithms } = key;
      const { keyAgreementAlgorithms, encapsulationAlgorithms, customerMasterKeySpec } = key;
      return {
        ...{ keySpec: key.keySpec, keyUsage: key.keyUsage, origin: key.origin, customerMasterKeySpec },
        ...{ currentKeyMaterialId, encryptionAlgorithms, signingAlgorithms, macAlgorithms },
        ...{ keyAgreementAlgorithms, encapsulationAlgorithms, warnings: key.keyholdWarnings },
      };
    };
    t.same(shared(replica), shared(made.keyMetadata));
    await uses[kind.keyUsage](t, one.client, other.client, replica);
    await uses[kind.keyUsage](t, other.client, one.client, replica);
  });
}

await t.test(
  'SoftHSM generates and wraps keys of every spec but Ed25519 and the post-quantum ones',
  async (t) => {
    const keySpec = 'ECC_NIST_EDWARDS25519';
    t.same(
      [...refused.keys()].filter((each) => !/^(ML_|SM2)/.test(each)),
      [keySpec],
    );
    t.match(refused.get(keySpec), /wraps no Ed25519 keys/);
    const { keyMetadata } = await one.client.createKey({ keySpec, keyUsage: 'SIGN_VERIFY' });
    t.match(keyMetadata, { multiRegion: false });
  },
);

await t.test('every key of both tokens can be wrapped by the link alone, and read by nobody', async (t) => {
  for (const region of [one, other]) {
    await region.client.close();
    await region.daemon.stop();
    const { label, env, pins } = tokenOf(region);
    Object.assign(process.env, env);
    const keys = await auditKeys(ceremonyOf({ label }), () => Buffer.from(pins.user));
    const multiRegion = keys.filter((key) => key.label.startsWith('keyhold/mrk-'));
    t.ok(multiRegion.length > 20, `${region.name} has ${multiRegion.length} objects of multi-Region keys`);
    for (const { label: name, faults } of keys) t.same(faults, [], `${region.name}: ${name}`);
    t.match(await region.daemon.admin('audit-verify'), { code: 0 });
  }
});
