// A request can fail, but never end the daemon: clients that disconnect at the worst moment.
import { once } from 'node:events';
import { connect as connectHttp2, constants } from 'node:http2';
import t from 'tap';
import { endpointOf } from '../../support/aws/aws.js';
import { TestDaemon } from '../../support/daemon.js';

const paths: readonly (readonly [method: string, path: string])[] = [
  ['GET', '/healthz'],
  ['GET', '/nothing'],
  ['GET', '/?Action=GetCallerIdentity&Version=2011-06-15'],
  ['POST', '/'],
  ['PUT', '/'],
  ['HEAD', '/healthz'],
];

void t.test('streams that are reset', async (t) => {
  const daemon = await TestDaemon.start(t, 'limits:\n  failedAuthentications: 1000000');
  const { pid } = daemon;
  const { NGHTTP2_NO_ERROR, NGHTTP2_INTERNAL_ERROR, NGHTTP2_CANCEL } = constants;
  for (const code of [NGHTTP2_NO_ERROR, NGHTTP2_INTERNAL_ERROR, NGHTTP2_CANCEL]) {
    const session = connectHttp2(endpointOf(daemon), { ca: daemon.ca, servername: 'localhost' });
    session.on('error', () => undefined);
    await once(session, 'connect');
    for (const [method, path] of paths) {
      for (const [isEnded, ticks] of [
        [true, 0],
        [false, 0],
        [true, 1],
        [false, 1],
        [false, 3],
      ] as const) {
        const stream = session.request({ ':method': method, ':path': path }, { endStream: isEnded });
        stream.on('error', () => undefined);
        for (let tick = 0; tick < ticks; tick++) await new Promise((done) => setTimeout(done, 2));
        if (!stream.destroyed) stream.close(code);
      }
    }
    session.destroy();
  }
  await new Promise((done) => setTimeout(done, 200));
  t.match(await daemon.health(), { healthy: true });
  t.equal(daemon.pid, pid);
  t.notMatch(daemon.stderr, /unhandled|could not be answered/);
  t.match((await daemon.health()).warnings, []);
});
