// The cache of opened session tokens, with a SoftHSM token.
import { Secrets } from '../../../daemon/hsm/secrets.js';
import { randomBytes } from 'node:crypto';
import t from 'tap';
import { OpenedSessions, RememberedSession } from '../../../daemon/identity/sessions/opened-sessions.js';
import { type OpenedSession, Sessions } from '../../../daemon/identity/sessions/sessions.js';
import type { Session } from '../../../daemon/identity/sessions/session.js';
import { signingKey } from '../../../daemon/identity/signatures/sigv4.js';
import { secretsKey } from '../../../daemon/app/opening/instance.js';
import { connectTo, makeToken, newKey } from '../../hsm/token.js';

const scope = { date: '20260101', region: 'us-east-1', service: 'kms' };

function sessionUntil(expiresAt: number): Session {
  const now = Math.floor(Date.now() / 1000);
  return {
    roleId: 'AROA',
    name: 'one',
    issuedAt: now,
    expiresAt,
    policies: [],
    tags: [],
    transitiveTagKeys: [],
  };
}

const soon = () => Math.floor(Date.now() / 1000) + 900;

void t.test('an authentic token is decrypted by the HSM once, and signs with its secret', async (t) => {
  const { store } = await connectTo(t, makeToken(t));
  const id = await newKey(store);
  let decryptions = 0;
  const counting = new Proxy(store, {
    get(target, name) {
      if (name === 'decrypt') decryptions += 1;
      const member: unknown = Reflect.get(target, name);
      return typeof member === 'function' ? (member.bind(target) as unknown) : member;
    },
  });
  const sessions = new Sessions(
    counting,
    new Secrets(counting, secretsKey({ internalKeys: { secrets: id.toString('hex') } } as never)),
    randomBytes(32),
  );
  const open = async (...args: Parameters<Sessions['open']>): Promise<OpenedSession> => {
    const opened = await sessions.open(...args);
    if (opened === undefined || opened === 'expired') throw new Error(`it is ${opened ?? 'none'}`);
    return opened;
  };
  const { accessKeyId, secretAccessKey, sessionToken } = await sessions.create(sessionUntil(soon()));
  for (let round = 0; round < 5; round++) {
    const opened = await open(accessKeyId, sessionToken, scope);
    t.match(opened, { accessKeyId, session: { roleId: 'AROA' } });
    const expected = signingKey(Buffer.from(secretAccessKey), scope.date, scope.region, scope.service);
    t.strictSame(opened.signingKey, expected);
    opened.signingKey.fill(0);
  }
  t.equal(decryptions, 1);

  const nextDay = { ...scope, date: '20260102' };
  const [key, before] = await Promise.all([
    open(accessKeyId, sessionToken, nextDay),
    open(accessKeyId, sessionToken, scope),
  ]);
  const expected = (date: string) =>
    signingKey(Buffer.from(secretAccessKey), date, scope.region, scope.service);
  t.strictSame(key.signingKey, expected('20260102'));
  t.strictSame(before.signingKey, expected(scope.date), 'around midnight the keys of both days are right');
  t.equal(decryptions, 1);

  const flood = await sessions.create(sessionUntil(soon()));
  await Promise.all(Array.from({ length: 50 }, () => open(flood.accessKeyId, flood.sessionToken, scope)));
  t.equal(decryptions, 2, 'a token that many requests use at once is decrypted once');

  t.equal(
    await sessions.open('ASIAOTHER', sessionToken, scope),
    undefined,
    'a token is invalid with another access key ID',
  );
  const bytes = Buffer.from(sessionToken, 'base64');
  for (let at = 0; at < bytes.length; at++) {
    const changed = Buffer.from(bytes);
    changed[at]! ^= 1;
    t.equal(await sessions.open(accessKeyId, changed.toString('base64'), scope), undefined);
  }
  for (const madeUp of [
    '',
    '=',
    'AgAA',
    Buffer.of(2).toString('base64'),
    `${sessionToken} `,
    'A'.repeat(20_000),
  ])
    t.equal(await sessions.open(accessKeyId, madeUp, scope), undefined);
  const over = await sessions.create(sessionUntil(soon() - 1_000));
  for (let round = 0; round < 2; round++)
    t.equal(await sessions.open(over.accessKeyId, over.sessionToken, scope), 'expired');
  t.equal(decryptions, 2, 'made-up, changed and expired tokens never reach the HSM');
  const foreign = new Sessions(
    counting,
    new Secrets(counting, secretsKey({ internalKeys: { secrets: id.toString('hex') } } as never)),
    randomBytes(32),
  );
  t.equal(await foreign.open(accessKeyId, sessionToken, scope), undefined);
  t.equal(decryptions, 2);
});

void t.test('the most recently used sessions are kept, and dropped secrets are wiped', (t) => {
  const opened = new OpenedSessions();
  const secrets = Array.from({ length: 1_030 }, () => randomBytes(40));
  const remember = (index: number) =>
    opened.remember('ASIA', `token${index}`, new RememberedSession(sessionUntil(soon()), secrets[index]!));
  remember(0);
  for (let index = 1; index < secrets.length; index++) {
    opened.find('ASIA', 'token0');
    remember(index);
  }
  t.equal(opened.size, 1_024);
  t.ok(opened.find('ASIA', 'token0'), 'the session in use stays');
  t.equal(opened.find('ASIA', 'token1'), undefined);
  t.ok(secrets[1]!.every((byte) => byte === 0));
  t.ok(secrets[0]!.some((byte) => byte !== 0));
  const secret = randomBytes(40);
  opened.remember('ASIA', 'old', new RememberedSession(sessionUntil(soon() - 1_000), secret));
  t.equal(opened.find('ASIA', 'old'), undefined);
  const evicted = new RememberedSession(sessionUntil(soon()), randomBytes(40));
  opened.remember('ASIA', 'evicted', evicted);
  for (let index = 0; index < 1_024; index++)
    opened.remember('ASIA', `more${index}`, new RememberedSession(sessionUntil(soon()), randomBytes(40)));
  t.throws(() => evicted.signingKey(scope), { name: 'IdentityError', code: 'throttled' });
  t.ok(secret.every((byte) => byte === 0));
  t.end();
});
