// The attacks on a real link: token objects that a ceremony made, material that came from the other Region, and somebody who
// has the PIN and the wrapped bytes.
import { randomBytes } from 'node:crypto';
import pkcs11 from 'pkcs11js';
import t from 'tap';
import { linkObjectId } from '../../../daemon/hsm/link-objects.js';
import { tryAttacks } from '../../../daemon/hsm/link/assessment.js';
import { makeWrappingPair } from '../../../daemon/hsm/link/ceremony-keys.js';
import { OfficerSession } from '../../../daemon/hsm/link/officer-session.js';
import { importTarget } from '../../../daemon/keys/import/wrapping.js';
import { connectTo, makeToken } from '../token.js';
import { ceremonyOf, linkTokens, pins } from './two-regions.js';

const generation = { link: 'test', generation: 1 };

void t.test('somebody with the PIN and the wrapped bytes gains nothing', async (t) => {
  const [here, there] = [makeToken(t), makeToken(t)];
  const [ours] = await linkTokens(t, here, there, generation);
  const { store: a } = await connectTo(t, here);
  const { store: b } = await connectTo(t, there);
  const travel = async (keySpec: 'SYMMETRIC_DEFAULT' | 'ECC_NIST_P256') => {
    const keyUsage = keySpec === 'SYMMETRIC_DEFAULT' ? 'ENCRYPT_DECRYPT' : 'SIGN_VERIFY';
    const { template, ...rest } = importTarget({ keySpec, keyUsage });
    const target = { ...rest, template: { ...template, multiRegion: true } };
    const names = { from: 'us-east-1', to: 'eu-central-1', keyId: 'mrk-test', materialId: 'material' };
    const statement = { ...generation, ...names, keySpec, keyUsage };
    const id = randomBytes(16);
    await a.generate(id, 'keyhold/test', target.template);
    const sent = await a.wrapForLink(id, target, statement);
    await b.unwrapFromLink(sent, ours.signingKey, statement, id, 'keyhold/test', target);
    return { id, wrapped: sent.wrapped };
  };
  const { id: materialId, wrapped } = await travel('SYMMETRIC_DEFAULT');
  const { id: pairId } = await travel('ECC_NIST_P256');

  Object.assign(process.env, there.env);
  const opened = OfficerSession.open(ceremonyOf(there));
  t.teardown(() => opened.close());
  await opened.login('user', pins.user);
  const find = (id: Buffer, objectClass = pkcs11.CKO_SECRET_KEY) =>
    opened.find([
      { type: pkcs11.CKA_ID, value: id },
      { type: pkcs11.CKA_CLASS, value: objectClass },
    ])[0]!;
  const own = opened.module.C_GenerateKey(opened.session, { mechanism: pkcs11.CKM_AES_KEY_GEN }, [
    { type: pkcs11.CKA_TOKEN, value: false },
    { type: pkcs11.CKA_VALUE_LEN, value: 32 },
    { type: pkcs11.CKA_WRAP, value: true },
    { type: pkcs11.CKA_UNWRAP, value: true },
  ]);
  const tried = tryAttacks({
    opened,
    send: find(linkObjectId(generation, 'send')),
    receive: find(linkObjectId(generation, 'receive')),
    wrapping: makeWrappingPair(opened),
    material: find(materialId),
    privateKey: find(pairId, pkcs11.CKO_PRIVATE_KEY),
    own,
    wrapped,
    sealed: randomBytes(512),
  });
  for (const { name, verdict, returned, asExpected } of tried) {
    t.equal(verdict, 'refused', name);
    t.ok(asExpected, `${name}: ${returned}`);
  }
});
