// Material of every key spec goes from one HSM to another and back, and is the same key in both; nothing can be read, or
// wrapped by anybody but the link, in either token.
import type { MaterialStatement } from '../../../daemon/hsm/link-messages.js';
import { randomBytes } from 'node:crypto';
import t, { type Test } from 'tap';
import type { ImportTarget, KeyStore, ObjectId } from '../../../daemon/hsm/key-store.js';
import { challengeOf } from '../../../daemon/hsm/link-statements.js';
import { loadProfile } from '../../../daemon/config/load.js';
import { importTarget } from '../../../daemon/keys/import/wrapping.js';
import { signingInput } from '../../../daemon/keys/specs/signing-input.js';
import { keySpecs, type KeyUsageEntry } from '../../../daemon/keys/specs/table.js';
import type { KeySpec, KeyUsageType, SigningAlgorithmSpec } from '../../../proto/generated/messages.js';
import { connectTo, makeToken } from '../token.js';
import { auditKeys } from '../../../daemon/hsm/link/index.js';
import { linkLabel, linkRoles, multiRegionRefusal } from '../../../daemon/hsm/link-objects.js';
import { ceremonyOf, linkTokens, pins } from './two-regions.js';

const generation = { link: 'test', generation: 1 };
const { multiRegion, lacks = [] } = loadProfile('softhsm2', '/home');
const aad = Buffer.from('context');
const message = Buffer.from('the message');

interface Kind {
  readonly keySpec: KeySpec;
  readonly keyUsage: KeyUsageType;
  readonly usage: KeyUsageEntry;
  readonly target: ImportTarget;
}

const kinds: Kind[] = (Object.entries(keySpecs) as [KeySpec, (typeof keySpecs)[KeySpec]][]).flatMap(
  ([keySpec, entry]) =>
    entry.unsupported !== undefined || lacks.some((lack) => lack.keySpec === keySpec)
      ? []
      : (Object.entries(entry.usages) as [KeyUsageType, KeyUsageEntry][]).map(([keyUsage, usage]) => {
          const { template, ...rest } = importTarget({ keySpec, keyUsage });
          return {
            keySpec,
            keyUsage,
            usage,
            target: { ...rest, template: { ...template, multiRegion: true } },
          };
        }),
);

function statementOf({ keySpec, keyUsage }: Kind): MaterialStatement {
  const [from, to] = ['us-east-1', 'eu-central-1'];
  return { ...generation, from, to, keyId: `mrk-${keySpec}`, materialId: 'material', keySpec, keyUsage };
}

/** Uses a key in one HSM and checks the result in the other. */
async function works(
  from: KeyStore,
  to: KeyStore,
  id: ObjectId,
  there: ObjectId,
  { usage }: Kind,
): Promise<boolean> {
  const { mac = {}, signing = {}, encryption = {} } = usage;
  const results: boolean[] = [];
  for (const mechanism of Object.values(mac))
    results.push(
      await to.verify(there, mechanism, 'none', message, await from.sign(id, mechanism, 'none', message)),
    );
  for (const [name, algorithm] of Object.entries(signing)) {
    const data = signingInput(name as SigningAlgorithmSpec, algorithm, message);
    const { mechanism, conversion } = algorithm;
    const made = await from.sign(id, mechanism, conversion, data);
    results.push(await to.verify(there, mechanism, conversion, data, made));
  }
  for (const { cipher } of Object.values(encryption)) {
    const bound = usage.suite === undefined ? Buffer.alloc(0) : aad;
    const made = await from.encrypt({ suite: cipher, id }, bound, message);
    results.push((await to.decrypt({ suite: cipher, id: there }, bound, made)).equals(message));
  }
  if (usage.keyAgreement) {
    const point = (await from.publicKey(id)).subarray(-2 * 66 - 1);
    const length = Object.values(usage.keyAgreement)[0]!.pointLength;
    const peer = point.subarray(-length);
    results.push((await from.deriveSharedSecret(id, peer)).equals(await to.deriveSharedSecret(there, peer)));
  }
  return results.length > 0 && results.every(Boolean);
}

void t.test('material travels', async (t) => {
  const [here, there] = [makeToken(t), makeToken(t)];
  const [ours, theirs] = await linkTokens(t, here, there, generation);
  const { store: a } = await connectTo(t, here);
  const { store: b } = await connectTo(t, there);
  const made: { readonly store: KeyStore; readonly id: ObjectId }[] = [];
  for (const kind of kinds) {
    await t.test(`${kind.keySpec} ${kind.keyUsage}`, async (t) => {
      const { target } = kind;
      const statement = statementOf(kind);
      const [id, copy, back] = [randomBytes(16), randomBytes(16), randomBytes(16)];
      await a.generate(id, 'keyhold/here', target.template);
      if (multiRegionRefusal({ suite: 1, multiRegion }, kind.keySpec) !== undefined) {
        await t.rejects(
          a.wrapForLink(id, target, statement),
          { code: 'unsupported' },
          'the module wraps no such key, as its profile says',
        );
        made.push({ store: a, id });
        return;
      }
      const sent = await a.wrapForLink(id, target, statement);
      await b.unwrapFromLink(sent, ours.signingKey, statement, copy, 'keyhold/there', target);
      t.ok(await works(a, b, id, copy, kind), 'results of the first HSM are correct in the second');
      t.ok(await works(b, a, copy, id, kind), 'results of the second HSM are correct in the first');
      const challenge = challengeOf(statement, randomBytes(32));
      const proof = await a.proveMaterial(id, target, challenge);
      t.same(proof, await b.proveMaterial(copy, target, challenge), 'both prove the same material');
      await refusals(t, b, { sent, statement, target, signingKey: ours.signingKey });
      // A replica may become the primary: its material travels on.
      const again = await b.wrapForLink(copy, target, {
        ...statement,
        from: 'eu-central-1',
        to: 'us-east-1',
      });
      await a.unwrapFromLink(
        again,
        theirs.signingKey,
        { ...statement, from: 'eu-central-1', to: 'us-east-1' },
        back,
        'keyhold/back',
        target,
      );
      t.ok(await works(a, b, back, copy, kind), 'material that travelled back works');
      made.push({ store: a, id }, { store: a, id: back }, { store: b, id: copy });
    });
  }
  await t.test('every key of both tokens has the required attributes', async (t) => {
    for (const token of [here, there]) {
      Object.assign(process.env, token.env);
      const keys = await auditKeys(ceremonyOf(token), pins.user);
      t.ok(keys.length > 30);
      for (const { label, faults } of keys) t.same(faults, [], label);
    }
  });
  await t.test(
    'once the keys are destroyed only those of the link are there, and none is extractable',
    async (t) => {
      for (const { store, id } of made) await store.destroy(id);
      for (const token of [here, there]) {
        Object.assign(process.env, token.env);
        const labels = (await auditKeys(ceremonyOf(token), pins.user)).map(({ label }) => label);
        t.same(new Set(labels), new Set(linkRoles.map((role) => linkLabel(generation, role))));
      }
    },
  );
});

interface Sending {
  readonly sent: Awaited<ReturnType<KeyStore['wrapForLink']>>;
  readonly statement: MaterialStatement;
  readonly target: ImportTarget;
  readonly signingKey: Buffer;
}

async function refusals(
  t: Test,
  store: KeyStore,
  { sent, statement, target, signingKey }: Sending,
): Promise<void> {
  const id = randomBytes(16);
  const refused = async (what: string, other: Partial<Sending>, code: string) => {
    const each = { sent, statement, target, signingKey, ...other };
    await t.rejects(
      store.unwrapFromLink(each.sent, each.signingKey, each.statement, id, 'refused', each.target),
      { code },
      what,
    );
    t.equal(await store.exists(id), false, 'no object is left');
  };
  await refused('for another key', { statement: { ...statement, keyId: 'mrk-other' } }, 'invalid-ciphertext');
  await refused('for another Region', { statement: { ...statement, to: 'eu-west-1' } }, 'invalid-ciphertext');
  const wrapped = Buffer.from(sent.wrapped);
  wrapped[wrapped.length - 1]! ^= 1;
  await refused('changed bytes', { sent: { ...sent, wrapped } }, 'invalid-ciphertext');
  const checkValue = Buffer.from(sent.checkValue);
  checkValue[0]! ^= 1;
  await refused('another check value', { sent: { ...sent, checkValue } }, 'invalid-ciphertext');
  await refused('another signing key', { signingKey: Buffer.alloc(91) }, 'invalid-ciphertext');
}
