// Failed authentications are throttled by source, with one audit record for each source and minute.
import t from 'tap';
import { TestDaemon } from '../../support/daemon.js';
import { upgrade } from '../../support/wire/upgrade.js';

interface Details {
  readonly count: number;
  readonly errorCodes: Record<string, number>;
  readonly accessKeyIds: string[];
}

void t.test('failed authentications', async (t) => {
  const daemon = await TestDaemon.initialise();
  t.teardown(() => daemon.remove());
  daemon.configure('limits:\n  failedAuthentications: 5');
  await daemon.start();
  const attempt = async (url?: string): Promise<string> => {
    const secretAccessKey = 'wrong';
    try {
      (
        await upgrade(daemon, { accessKeyId: 'AKIAAAAAAAAAAAAAAAAA', secretAccessKey }, url)
      ).webSocket.terminate();
      return 'let in';
    } catch (error) {
      return (error as { __type: string }).__type;
    }
  };
  const codes: string[] = [];
  for (let index = 0; index < 20; index++) codes.push(await attempt());

  await t.test('past the limit a source is told to wait', (t) => {
    const first = codes.indexOf('ThrottlingException');
    t.ok(first >= 5, 'the source is not throttled before the limit');
    t.same(new Set(codes), new Set(['UnrecognizedClientException', 'ThrottlingException']));
    t.end();
  });

  await t.test('another source need not wait, and a correct signature is accepted from either', async (t) => {
    t.equal(await attempt(daemon.wss), 'UnrecognizedClientException');
    for (const url of [undefined, daemon.wss]) (await upgrade(daemon, {}, url)).webSocket.terminate();
    t.pass('let in');
  });

  await t.test('each source and minute has one audit record with a count', async (t) => {
    await t.rejects(
      upgrade(daemon, { accessKeyId: 'secret/that+was/put+in/the/wrong/place', region: 'eu-west-1' }),
    );
    t.equal(await daemon.stop(), 0);
    const events = daemon.events('FailedAuthentication');
    const minutes = new Set(
      events.map((event) => (event.serviceEventDetails as { first: string }).first.slice(0, 16)),
    );
    const of = (source: string) =>
      events
        .filter((event) => event.sourceIPAddress === source)
        .map((event) => event.serviceEventDetails as Details);
    t.ok(of('unix').length <= minutes.size);
    const sum = (list: Details[]) => list.reduce((total, { count }) => total + count, 0);
    t.equal(sum(of('unix')), 21);
    t.equal(sum(of('127.0.0.1')), 1);
    t.match(of('unix')[0], {
      errorCodes: { UnrecognizedClientException: Number },
      accessKeyIds: ['AKIAAAAAAAAAAAAAAAAA'],
    });
    t.notOk(JSON.stringify(daemon.auditRecords()).includes('wrong/place'));
  });
});
