// The ceremony: what each side refuses, what is left when a process dies, rotation and the end of a link.
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import t from 'tap';
import { auditKeys } from '../../../daemon/hsm/link/index.js';
import { destroyLink, listLinks } from '../../../daemon/hsm/link/index.js';
import { assess } from '../../../daemon/hsm/link/index.js';
import { fingerprintOf } from '../../../daemon/hsm/link-statements.js';
import { linkLabel, linkRoles, parseLinkLabel } from '../../../daemon/hsm/link-objects.js';
import { AES_256, connectTo, makeToken, newKey, PIN } from '../token.js';
import { ceremonyOf, CeremonySide, linkTokens, pins } from './two-regions.js';

const generation = { link: 'test', generation: 1 };
const [here, there] = ['us-east-1', 'eu-central-1'];

void t.test('each side refuses messages that do not belong to this ceremony', async (t) => {
  const [ours, theirs] = [makeToken(t), makeToken(t)];
  const a = await CeremonySide.open(t, ours, generation, here);
  const b = await CeremonySide.open(t, theirs, generation, there);
  const stranger = await CeremonySide.open(t, makeToken(t), generation, there, {
    endpoint: 'wss://stranger.example:8443',
    certificate: Buffer.from('the certificate of a stranger'),
  });
  for (const [what, offer] of [
    ['another link', { ...b.offer, link: 'other' }],
    ['another generation', { ...b.offer, generation: 2 }],
    ['this Region itself', { ...b.offer, region: here }],
    ['no RSA key of 4096 bits', { ...b.offer, wrappingKey: b.offer.signingKey }],
    ['no key', { ...b.offer, wrappingKey: randomBytes(100) }],
  ] as const)
    await t.rejects(a.seal(offer), { code: 'invalid-ciphertext' }, what);
  const sealed = await a.seal(b.offer);
  await t.rejects(a.seal(b.offer), { code: 'internal', message: /begin the ceremony again/ }, 'once');
  const changed = Buffer.from(sealed.wrapped);
  changed[0]! ^= 1;
  const refused = { code: 'invalid-ciphertext', message: /not signed/ };
  await t.rejects(
    b.accept(a.offer, { ...sealed, wrapped: changed }),
    refused,
    'a changed transport key is refused',
  );
  await t.rejects(
    b.accept(a.offer, await stranger.seal(a.offer)),
    refused,
    'a transport key of a stranger is refused',
  );
  await t.rejects(b.accept({ ...a.offer, wrappingKey: stranger.offer.wrappingKey }, sealed), refused);
  await t.rejects(b.accept({ ...a.offer, signingKey: stranger.offer.signingKey }, sealed), refused);
  await t.rejects(b.accept({ ...a.offer, certificate: stranger.offer.certificate }, sealed), refused);
  await t.rejects(b.accept({ ...a.offer, endpoint: stranger.offer.endpoint }, sealed), refused);
  await b.accept(a.offer, sealed);
  await b.close();
  const again = await CeremonySide.open(t, theirs, generation, there);
  await t.rejects(
    again.accept(a.offer, sealed),
    refused,
    'a transport key sealed for an earlier process is refused',
  );
});

void t.test('the fingerprint covers every byte of both offers', async (t) => {
  const a = await CeremonySide.open(t, makeToken(t), generation, here);
  const b = await CeremonySide.open(t, makeToken(t), generation, there);
  const fingerprint = fingerprintOf(a.offer, b.offer);
  t.match(fingerprint, /^([0-9a-f]{4} ){9}[0-9a-f]{4}$/);
  t.equal(fingerprintOf(b.offer, a.offer), fingerprint, 'both sides compute the same fingerprint');
  for (const name of ['wrappingKey', 'signingKey', 'certificate'] as const)
    for (const at of [0, 20, a.offer[name].length - 1]) {
      const changed = Buffer.from(a.offer[name]);
      changed[at]! ^= 1;
      t.not(fingerprintOf({ ...a.offer, [name]: changed }, b.offer), fingerprint);
      t.not(fingerprintOf(b.offer, { ...a.offer, [name]: changed }), fingerprint);
    }
  for (const text of ['region', 'endpoint'] as const)
    t.not(fingerprintOf({ ...a.offer, [text]: `${a.offer[text]}2` }, b.offer), fingerprint, text);
});

void t.test(
  'a process that dies leaves nothing that can be extracted, and the next one begins again',
  async (t) => {
    const [ours, theirs] = [makeToken(t), makeToken(t)];
    const intact = async () => {
      Object.assign(process.env, ours.env);
      for (const { label, faults } of await auditKeys(ceremonyOf(ours), pins.user)) t.same(faults, [], label);
    };
    let a = await CeremonySide.open(t, ours, generation, here);
    t.same(keysSeenByAnother(ours), [], 'another process with the PIN sees no key of the ceremony');
    await a.kill();
    t.same(keysSeenByAnother(ours), [], 'nothing was written to the token');
    const b = await CeremonySide.open(t, theirs, generation, there);
    a = await CeremonySide.open(t, ours, generation, here);
    await a.seal(b.offer);
    await a.kill();
    await intact();
    await b.close();
    await linkTokens(t, ours, theirs, generation);
    await intact();
    Object.assign(process.env, ours.env);
    t.same(await listLinks(ceremonyOf(ours), pins.user), [{ ...generation, roles: linkRoles }]);
  },
);

void t.test('rotation makes a new generation, and unlinking removes all of them', async (t) => {
  const [ours, theirs] = [makeToken(t), makeToken(t)];
  const { store } = await connectTo(t, ours);
  const key = await newKey(store, AES_256);
  await linkTokens(t, ours, theirs, generation);
  await linkTokens(t, ours, theirs, { ...generation, generation: 2 });
  await linkTokens(t, ours, makeToken(t), { link: 'other', generation: 1 });
  Object.assign(process.env, ours.env);
  const links = async () =>
    (await listLinks(ceremonyOf(ours), pins.user)).map((each) => `${each.link} ${each.generation}`).sort();
  t.same(await links(), ['other 1', 'test 1', 'test 2']);
  t.equal(await destroyLink(ceremonyOf(ours), { link: 'test', before: 2 }, pins.user), 4);
  t.same(await links(), ['other 1', 'test 2']);
  t.equal(await destroyLink(ceremonyOf(ours), { link: 'test' }, pins.user), 4);
  t.equal(await destroyLink(ceremonyOf(ours), { link: 'test' }, pins.user), 0, 'unlinking can be repeated');
  t.same(await links(), ['other 1']);
  t.equal(await store.exists(key), true, 'other keys stay');
});

void t.test('a wrong PIN of the officer is reported in words, and not tried again', async (t) => {
  const token = makeToken(t);
  Object.assign(process.env, token.env);
  const wrong = { ...pins, officer: () => Buffer.from('wrong-pin') };
  await t.rejects(assess(ceremonyOf(token), wrong), {
    code: 'login-refused',
    message: /^The security officer cannot log in: The token refused the PIN/,
  });
  await t.rejects(assess(ceremonyOf(token), pins), { code: 'pin-locked', message: /nothing was tried/ });
});

void t.test('labels', (t) => {
  t.same(parseLinkLabel(linkLabel(generation, 'send')), { ...generation, role: 'send' });
  for (const label of [
    'keyhold/link/test/1/other',
    'keyhold/link/Test/1/send',
    'keyhold/link/test/01/send',
    '',
  ])
    t.equal(parseLinkLabel(label), undefined);
  t.throws(() => linkLabel({ link: 'a/b', generation: 1 }, 'send'), { code: 'internal' });
  t.throws(() => linkLabel({ link: 'a', generation: 0 }, 'send'), { code: 'internal' });
  t.end();
});

/** Labels of the keys that another process finds, logged in with the PIN. */
function keysSeenByAnother({
  env,
  label,
}: {
  readonly env: Record<string, string>;
  readonly label: string;
}): string[] {
  const program = `
    const pkcs11 = require('pkcs11js');
    const module = new pkcs11.PKCS11();
    module.load('/usr/lib/softhsm/libsofthsm2.so');
    module.C_Initialize();
    const slot = module.C_GetSlotList(true).find((each) => module.C_GetTokenInfo(each).label.trim() === process.argv[1]);
    const session = module.C_OpenSession(slot, 6);
    module.C_Login(session, 1, process.argv[2]);
    module.C_FindObjectsInit(session, []);
    console.log(JSON.stringify(module.C_FindObjects(session, 100).map((each) => each.toString('hex'))));`;
  const output = execFileSync(process.execPath, ['-e', program, label, PIN], {
    env: { ...process.env, ...env },
    encoding: 'utf8',
  });
  return JSON.parse(output) as string[];
}
