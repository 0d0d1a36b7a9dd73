import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createHash } from 'node:crypto';
import { connect as connectTls } from 'node:tls';
import t from 'tap';
import { TestDaemon } from '../../support/daemon.js';
import { upgrade, type UpgradeOptions } from '../../support/wire/upgrade.js';

void t.test('authentication of the upgrade', async (t) => {
  const daemon = await TestDaemon.start(t);
  const refused = (options: UpgradeOptions, code: string, message: RegExp) => {
    return t.rejects(upgrade(daemon, options), { status: 400, __type: code, message });
  };
  const unknown = [
    'UnrecognizedClientException',
    /^The security token included in the request is invalid\.$/,
  ] as const;

  await t.test('a correct signature opens one connection, and no second one', async (t) => {
    const { webSocket, headers } = await upgrade(daemon);
    await t.rejects(upgrade(daemon, { replay: headers }), {
      __type: 'InvalidSignatureException',
      message: /used before/,
    });
    webSocket.terminate();
    const rewritten = (change: (signature: string) => string) => ({
      ...headers,
      authorization: headers.authorization!.replace(/(?<=Signature=).*/, change),
    });
    await refused({ replay: rewritten((signature) => signature.toUpperCase()) }, ...unknown);
    await refused({ replay: rewritten((signature) => `${signature}zz`) }, ...unknown);
    // The signature does not cover another Sec-WebSocket-Key.
    const other = { ...headers, 'sec-websocket-key': Buffer.alloc(16).toString('base64') };
    await refused({ replay: other }, ...unknown);
  });

  await t.test('a wrong secret and an unknown access key give the same error', async () => {
    await refused({ secretAccessKey: 'wrong' }, ...unknown);
    await refused({ accessKeyId: 'AKIAAAAAAAAAAAAAAAAA' }, ...unknown);
    await refused({ accessKeyId: '__proto__' }, ...unknown);
  });

  await t.test("a client with a wrong clock is told the server's time", async () => {
    await refused(
      { skew: -6 * 60_000 },
      'InvalidSignatureException',
      /^Signature expired: \d{8}T\d{6}Z is now earlier than \d{8}T\d{6}Z \(\d{8}T\d{6}Z - 5 min\.\)$/,
    );
    await refused(
      { skew: 6 * 60_000 },
      'InvalidSignatureException',
      /^Signature not yet current: \d{8}T\d{6}Z is still later than \d{8}T\d{6}Z \(\d{8}T\d{6}Z \+ 5 min\.\)$/,
    );
  });

  await t.test(
    'a signature from before the daemon started is refused, though it is within the window',
    async () => {
      await refused({ skew: -4 * 60_000 }, 'InvalidSignatureException', /before this daemon started/);
    },
  );

  await t.test('unsigned headers, and signatures for another service, are named', async () => {
    await refused(
      { signedHeaders: ['host', 'x-amz-date'] },
      'IncompleteSignatureException',
      /'sec-websocket-key'/,
    );
    await refused(
      { signedHeaders: ['sec-websocket-key', 'x-amz-date'] },
      'IncompleteSignatureException',
      /'host'/,
    );
    await refused({ region: 'eu-west-1' }, 'InvalidSignatureException', /scoped to the Region 'us-east-1'/);
    await refused({ service: 's3' }, 'InvalidSignatureException', /the service 'kms'/);
    await refused({ replay: {} }, 'MissingAuthenticationTokenException', /Missing Authentication Token/);
    await refused(
      { replay: { authorization: 'AWS4-HMAC-SHA256 x' } },
      'IncompleteSignatureException',
      /Credential/,
    );
  });

  await t.test('another subprotocol, and an Origin that is not listed, are refused', async () => {
    await refused({ subprotocol: 'mqtt' }, 'ValidationException', /keyhold\.v1/);
    await refused({ headers: { origin: 'https://evil.example' } }, 'AccessDeniedException', /allowedOrigins/);
  });

  await t.test('over TLS 1.2 the upgrade is refused', async (t) => {
    const { hostname, port } = new URL(daemon.wss);
    const socket = connectTls({ host: hostname, port: Number(port), ca: daemon.ca, maxVersion: 'TLSv1.2' });
    await once(socket, 'secureConnect');
    const key = createHash('md5').digest('base64');
    socket.write(
      `GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n` +
        `Sec-WebSocket-Key: ${key}\r\nSec-WebSocket-Protocol: keyhold.v1\r\n\r\n`,
    );
    const [answer] = (await once(socket, 'data')) as [Buffer];
    t.match(answer.toString(), /^HTTP\/1\.1 400 AccessDeniedException[\s\S]*TLS 1\.3/);
    socket.destroy();
  });

  await t.test('a correct signature is accepted over wss too', async () => {
    const { webSocket } = await upgrade(daemon, {}, daemon.wss);
    webSocket.terminate();
  });

  await t.test('no secret is in what the daemon printed or recorded', (t) => {
    const { secretAccessKey } = daemon.credentials;
    t.notOk(
      (daemon.stdout + daemon.stderr + JSON.stringify(daemon.auditRecords())).includes(secretAccessKey),
    );
    t.end();
  });
});

void t.test('the CLI explains a wrong clock and wrong credentials', async (t) => {
  const daemon = await TestDaemon.start(t);
  const wrong = { AWS_ACCESS_KEY_ID: 'AKIAAAAAAAAAAAAAAAAA', AWS_SECRET_ACCESS_KEY: 'x' };
  const unauthenticated = await daemon.cli(['list-keys'], { env: wrong });
  t.match(unauthenticated, { code: 1, stderr: /UnrecognizedClientException/ });
  const cli = new URL('../../../client/cli/main.js', import.meta.url).pathname;
  const late = spawn('faketime', ['-f', '-1h', process.execPath, cli, 'list-keys'], { env: daemon.env });
  let stderr = '';
  late.stderr.on('data', (data: Buffer) => (stderr += data.toString()));
  const [code] = (await once(late, 'close')) as [number];
  t.equal(code, 1);
  t.match(stderr, /InvalidSignatureException.*Signature expired: .* set the clock/);
});
