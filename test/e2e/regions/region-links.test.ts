// Links between the daemons of two Regions: they are made, used, rotated and ended, and survive what daemons survive.
import { X509Certificate } from 'node:crypto';
import { request } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import t from 'tap';
import { WebSocket } from 'ws';
import { toPem } from '../../../daemon/identity/certificates/pem.js';
import { makeTlsIdentity } from '../../../daemon/regions/links/tls-identity.js';
import { destroyLink } from '../../../daemon/hsm/link/index.js';
import { ceremonyOf } from '../../hsm/link/two-regions.js';
import { TestDaemon } from '../../support/daemon.js';
import type { RegionLink } from '../../../proto/generated/messages.js';
import {
  here,
  holdCeremony,
  linkRegions,
  restart,
  startRegion,
  type TestRegion,
  there,
  tokenOf,
  until,
} from '../../support/regions.js';

async function linkOf({ client }: TestRegion, peerRegion: string): Promise<RegionLink | undefined> {
  return (await client.listRegionLinks({})).links?.find((link) => link.peerRegion === peerRegion);
}

async function reaches(
  region: TestRegion,
  peerRegion: string,
  wanted: (link: RegionLink) => boolean,
): Promise<RegionLink> {
  const link = await until(
    () => linkOf(region, peerRegion),
    (each) => each !== undefined && wanted(each),
  );
  return link!;
}

const isConnected = ({ connection }: RegionLink) => connection === 'CONNECTED';

void t.test('a link of two Regions', async (t) => {
  const [a, b] = await Promise.all([startRegion(t, here), startRegion(t, there)]);

  await t.test('what is refused before the ceremony', async (t) => {
    const itself = { code: 'ValidationException', message: /us-east-1 is this Region itself/ };
    await t.rejects(a.client.prepareRegionLink({ peerRegion: here }), itself);
    await t.rejects(a.client.prepareRegionLink({ peerRegion: 'Mars' }), { code: 'ValidationException' });
    const none = { code: 'NotFoundException', message: 'There is no link to eu-central-1.' };
    await t.rejects(a.client.deleteRegionLink({ peerRegion: there }), none);
    t.same((await a.client.listRegionLinks({})).links ?? [], []);
  });

  await t.test('a prepared link', async (t) => {
    const first = await a.client.prepareRegionLink({ peerRegion: there });
    t.match(first, {
      ownRegion: here,
      generation: 1,
      endpoint: `wss://127.0.0.1:${a.port}`,
      linkId: /^[0-9a-f]{20}$/,
    });
    t.same(await a.client.prepareRegionLink({ peerRegion: there }), first, 'it is found again');
    t.same(await a.client.prepareRegionLink({ peerRegion: there, generation: 1 }), first);
    const third = await a.client.prepareRegionLink({ peerRegion: there, generation: 3 });
    t.equal(third.generation, 3);
    t.not(Buffer.compare(Buffer.from(third.certificate), Buffer.from(first.certificate)), 0);
    const again = await a.client.prepareRegionLink({ peerRegion: there, generation: 1 });
    t.not(
      Buffer.compare(Buffer.from(again.certificate), Buffer.from(first.certificate)),
      0,
      'it was replaced',
    );
    t.match(await linkOf(a, there), { status: 'PREPARED', generation: 0, preparedGeneration: 1 });
    const [one, two] = await Promise.allSettled([
      a.client.prepareRegionLink({ peerRegion: 'us-west-2' }),
      a.client.prepareRegionLink({ peerRegion: 'us-west-2' }),
    ]);
    const results = [one, two].map(({ status }) => status).sort();
    t.ok(results.join() === 'fulfilled,rejected' || results.join() === 'fulfilled,fulfilled');
    const kept = await a.client.prepareRegionLink({ peerRegion: 'us-west-2' });
    for (const each of [one, two])
      if (each.status === 'fulfilled') t.same(each.value, kept);
      else t.match(each.reason, { code: 'ConflictException' });
    await a.client.deleteRegionLink({ peerRegion: 'us-west-2' });
  });

  await t.test('what CompleteRegionLink refuses', async (t) => {
    const peer = await b.client.prepareRegionLink({ peerRegion: here });
    const own = await a.client.prepareRegionLink({ peerRegion: there });
    const { certificate } = await makeTlsIdentity({ link: 'other', generation: 1 });
    const signingKey = Buffer.from(publicKeyOf(certificate));
    const good = {
      peerRegion: there,
      generation: 1,
      endpoint: peer.endpoint,
      certificate: peer.certificate,
      signingKey,
    };
    for (const [changes, code, message] of [
      [{ generation: 2 }, 'KMSInvalidStateException', /Generation 2 .* is not prepared, but generation 1 is/],
      [
        { peerRegion: 'us-west-2' },
        'KMSInvalidStateException',
        /is not prepared\. Begin with keyhold region link/,
      ],
      [{ peerRegion: here }, 'ValidationException', /itself/],
      [{ endpoint: 'https://localhost:1' }, 'ValidationException', /./],
      [{ endpoint: 'wss://user@localhost:1' }, 'ValidationException', /./],
      [{ endpoint: 'wss://localhost:99999' }, 'ValidationException', /wss:\/\/, a host and a port/],
      [
        { certificate: Buffer.from('none') },
        'ValidationException',
        /Certificate is not what a Keyhold shows/,
      ],
      [{ certificate: own.certificate }, 'ValidationException', /Certificate is the one of this Region/],
      [{ signingKey: Buffer.from('none') }, 'ValidationException', /SigningKey is not what a Keyhold shows/],
      [{}, 'KMSInvalidStateException', /The HSM lacks keys of generation 1 .*\(send, receive, signing\)/],
    ] as const)
      await t.rejects(
        a.client.completeRegionLink({ ...good, ...changes }),
        { code, message },
        JSON.stringify(changes),
      );
    t.match(await linkOf(a, there), { status: 'PREPARED' }, 'nothing was completed');
  });

  const shown = await holdCeremony(t, a, b);

  await t.test('one side alone', async (t) => {
    await a.client.completeRegionLink(shown.inOne);
    const link = await reaches(a, there, ({ connection }) => connection === 'REFUSED');
    t.match(link, {
      status: 'LINKED',
      generation: 1,
      problem: /generation 1 of the link is not complete there/,
    });
    t.match(await linkOf(b, here), { status: 'PREPARED', connection: undefined });
    await a.client.completeRegionLink(shown.inOne);
    const other = { ...shown.inOne, endpoint: 'wss://localhost:1' };
    await t.rejects(a.client.completeRegionLink(other), {
      code: 'ConflictException',
      message: /--generation 2/,
    });
  });

  await t.test('both sides', async (t) => {
    await b.client.completeRegionLink(shown.inOther);
    const ours = await reaches(a, there, isConnected);
    const theirs = await reaches(b, here, isConnected);
    t.match(ours, {
      peerRegion: there,
      linkId: shown.link,
      status: 'LINKED',
      generation: 1,
      generations: [1],
      endpoint: `wss://127.0.0.1:${b.port}`,
      pendingKeys: 0,
    });
    t.equal(theirs.linkId, shown.link, 'the link has one ID');
    t.same((await a.daemon.health()).warnings, []);
    const older = {
      code: 'ValidationException',
      message: /Generation 1 .* is complete here.*--generation 2/,
    };
    await t.rejects(a.client.prepareRegionLink({ peerRegion: there, generation: 1 }), older);
    for (const [region, names] of [
      [a, ['PrepareRegionLink', 'CompleteRegionLink', 'ListRegionLinks', 'DeleteRegionLink']],
      [b, ['PrepareRegionLink', 'CompleteRegionLink', 'ListRegionLinks']],
    ] as const)
      for (const name of names) t.ok(region.daemon.events(name).length > 0, `${name} is in the audit log`);
  });

  await t.test('the Region port serves linked Regions alone, and no other port knows them', async (t) => {
    t.equal(await answerOf(b.port, {}), 'ended', 'no certificate');
    t.equal(await answerOf(b.port, { servername: `${shown.link}-1.keyhold.internal` }), 'ended');
    const stranger = await makeTlsIdentity({ link: shown.link, generation: 1 });
    const pair = {
      cert: toPem(stranger.certificate, 'CERTIFICATE'),
      key: toPem(stranger.key, 'PRIVATE KEY'),
    };
    const name = { servername: `${shown.link}-1.keyhold.internal` };
    t.equal(await answerOf(b.port, { ...pair, ...name }), 'ended', 'another certificate with the same names');
    t.equal(await answerOf(b.port, { ...pair, ...name, maxVersion: 'TLSv1.2' }), 'ended');
    const native = Number(new URL(b.daemon.wss).port);
    t.equal(await nativeAnswer(native, pair), 'MissingAuthenticationTokenException');
    t.equal(await awsStatus(native, pair), 400);
    t.ok(isConnected((await linkOf(a, there))!), 'the link is untouched');
  });

  await t.test('a restart, and kill -9', async (t) => {
    await b.daemon.stop();
    await reaches(a, there, ({ connection }) => connection === 'UNREACHABLE');
    await restart(b);
    await reaches(a, there, isConnected);
    await reaches(b, here, isConnected);
    await b.daemon.stop('SIGKILL');
    await reaches(a, there, ({ connection }) => connection === 'UNREACHABLE');
    await restart(b);
    await reaches(b, here, isConnected);
    await reaches(a, there, isConnected);
    t.same((await a.daemon.health()).warnings, []);
  });

  await t.test('a second generation takes the place of the first', async (t) => {
    const next = await holdCeremony(t, a, b);
    t.equal(next.inOne.generation, 2);
    await a.client.completeRegionLink(next.inOne);
    await sleep(1_500);
    t.match(
      await linkOf(a, there),
      { connection: 'CONNECTED', generations: [2, 1] },
      'the first is used meanwhile',
    );
    await b.client.completeRegionLink(next.inOther);
    const isNewAlone = ({ generations = [] }: { generations?: readonly number[] }) =>
      generations.join() === '2';
    await reaches(a, there, isNewAlone);
    await reaches(b, here, isNewAlone);
    await reaches(a, there, isConnected);
    const [event] = a.daemon.events('RetireRegionLinkGenerations');
    t.match(event, { serviceEventDetails: { region: there, generationsBefore: 2 } });
    const { label, env, pins } = tokenOf(a);
    Object.assign(process.env, env);
    const user = () => Buffer.from(pins.user);
    t.equal(await destroyLink(ceremonyOf({ label }), { link: next.link, before: 2 }, user), 4);
    await restart(a);
    await reaches(a, there, isConnected);
  });

  await t.test('the end of a link', async (t) => {
    await b.client.deleteRegionLink({ peerRegion: here });
    t.equal(await linkOf(b, here), undefined);
    await reaches(a, there, ({ connection }) => connection === 'REFUSED');
    await restart(b, 'SIGKILL');
    t.equal(await linkOf(b, here), undefined, 'it is deleted for good');
    await a.client.deleteRegionLink({ peerRegion: there });
    t.same((await a.client.listRegionLinks({})).links ?? [], []);
    const prepared = await a.client.prepareRegionLink({ peerRegion: there });
    t.equal(prepared.generation, 1, 'and can be made anew');
  });

  await t.test('nothing secret is in the log or the audit log', (t) => {
    for (const { daemon } of [a, b]) {
      const text = daemon.stderr + JSON.stringify(daemon.auditRecords());
      t.notMatch(text, /PRIVATE KEY/);
      t.notMatch(text, /"key":/);
    }
    t.end();
  });
});

void t.test(
  'without the section regions nothing listens, and links are refused with the reason',
  async (t) => {
    const daemon = await TestDaemon.start(t);
    const client = await daemon.connect();
    t.teardown(() => client.close());
    await t.rejects(client.prepareRegionLink({ peerRegion: there }), {
      code: 'UnsupportedOperationException',
      message: /add the section 'regions' to keyhold.yaml/,
    });
    t.same((await client.listRegionLinks({})).links ?? [], []);
  },
);

void t.test('a Region that is away for more than a minute is a warning', async (t) => {
  const [a, b] = await Promise.all([startRegion(t, here), startRegion(t, there)]);
  await linkRegions(t, a, b);
  await reaches(a, there, isConnected);
  await b.daemon.stop();
  // The warning comes after a minute.
  const isWarned = async () =>
    (await a.daemon.health()).warnings.some((each) => each.includes('eu-central-1 is away'));
  t.notOk(await isWarned());
  for (const end = Date.now() + 90_000; !(await isWarned()); await sleep(500))
    if (Date.now() > end) throw new Error('no warning');
  t.equal((await a.daemon.health()).healthy, true, 'an absent Region makes no daemon unhealthy');
});

function publicKeyOf(certificate: Buffer): Buffer {
  const { publicKey } = new X509Certificate(certificate);
  return publicKey.export({ type: 'spki', format: 'der' });
}

/** What a port answers to a request over TLS. @returns the status line, or `ended` if the connection ends without an answer */
function answerOf(port: number, options: object): Promise<string> {
  return new Promise((resolve) => {
    let answer = '';
    const socket = connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false, ...options });
    socket.on('secureConnect', () => socket.write('GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n'));
    socket.on('data', (data: Buffer) => (answer += data.toString()));
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(answer.split('\r\n', 1)[0] || 'ended'));
  });
}

/** The error of an upgrade to the native protocol with a certificate and no signature. */
function nativeAnswer(port: number, pair: object): Promise<string> {
  const webSocket = new WebSocket(`wss://127.0.0.1:${port}`, ['keyhold.v1'], {
    rejectUnauthorized: false,
    ...pair,
  });
  return new Promise((resolve, reject) => {
    webSocket.on('error', reject);
    webSocket.on('unexpected-response', (_request, response) => {
      resolve(response.statusMessage ?? '');
      response.resume();
    });
  });
}

/** The status of an unsigned request to the AWS endpoint. */
function awsStatus(port: number, pair: object): Promise<number | undefined> {
  const headers = { 'x-amz-target': 'TrentService.ListKeys', 'content-type': 'application/x-amz-json-1.1' };
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port, method: 'POST', headers, rejectUnauthorized: false, ...pair };
    request(options, (response) => {
      response.resume();
      resolve(response.statusCode);
    })
      .on('error', reject)
      .end('{}');
  });
}
