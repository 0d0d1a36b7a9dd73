// What is remembered of session tokens that were opened, on a token of SoftHSM.
import { randomBytes } from 'node:crypto';
import t from 'tap';
import { OpenedSessions, RememberedSession } from '../../daemon/identity/opened-sessions.js';
import { type Session, Sessions } from '../../daemon/identity/sessions.js';
import { signingKey } from '../../daemon/identity/sigv4.js';
import { secretsKey } from '../../daemon/instance.js';
import { connectTo, makeToken, newKey } from '../hsm/token.js';

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

void t.test('a token is opened by the HSM once, and signs as its secret does', async (t) => {
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
    secretsKey({ internalKeys: { secrets: id.toString('hex') } } as never),
  );
  const { accessKeyId, secretAccessKey, sessionToken } = await sessions.create(sessionUntil(soon()));
  for (let round = 0; round < 5; round++) {
    const opened = await sessions.open(accessKeyId, sessionToken, scope);
    t.match(opened, { accessKeyId, session: { roleId: 'AROA' } });
    const expected = signingKey(Buffer.from(secretAccessKey), scope.date, scope.region, scope.service);
    t.strictSame(opened!.signingKey, expected);
    opened!.signingKey.fill(0);
  }
  t.equal(decryptions, 1);

  const nextDay = { ...scope, date: '20260102' };
  const key = (await sessions.open(accessKeyId, sessionToken, nextDay))!.signingKey;
  t.strictSame(key, signingKey(Buffer.from(secretAccessKey), '20260102', scope.region, scope.service));
  t.equal(decryptions, 1);

  t.equal(
    await sessions.open('ASIAOTHER', sessionToken, scope),
    undefined,
    'under another access key id it is none',
  );
  const changed = `${sessionToken.slice(0, -8)}AAAAAAA=`;
  t.equal(await sessions.open(accessKeyId, changed, scope), undefined);
  t.equal(decryptions, 3);

  const over = await sessions.create(sessionUntil(soon() - 1_000));
  for (let round = 0; round < 2; round++)
    t.match(await sessions.open(over.accessKeyId, over.sessionToken, scope), {
      accessKeyId: over.accessKeyId,
    });
  t.equal(decryptions, 5, 'one that has expired is not remembered');
});

void t.test('the sessions that were used last are remembered, and what is forgotten is wiped', (t) => {
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
  t.ok(opened.find('ASIA', 'token0'), 'the one in use stays');
  t.equal(opened.find('ASIA', 'token1'), undefined);
  t.ok(secrets[1]!.every((byte) => byte === 0));
  t.ok(secrets[0]!.some((byte) => byte !== 0));
  const secret = randomBytes(40);
  opened.remember('ASIA', 'old', new RememberedSession(sessionUntil(soon() - 1_000), secret));
  t.equal(opened.find('ASIA', 'old'), undefined);
  t.ok(secret.every((byte) => byte === 0));
  t.end();
});
