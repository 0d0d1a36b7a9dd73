// The server's certificate and the others that the configuration names: their expiry is announced, and a certificate that
// does not match its key is refused.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { issue, makeAuthority, presented } from '../../support/certificates/chains.js';
import { TestDaemon } from '../../support/daemon.js';

const day = 86_400_000;

void t.test('expiring certificates, and keys that do not match', async (t) => {
  const daemon = await TestDaemon.initialise();
  t.teardown(() => daemon.remove());
  const path = (name: string) => join(daemon.home, name);
  const authority = await makeAuthority('server CA', undefined, { to: 60 * day });
  const soon = await presented(await issue('server', authority, { to: 29.5 * day }));
  const later = await presented(await issue('server', authority, { to: 31 * day }));
  const over = await presented(await issue('server', authority, { from: -2 * day, to: -day }));
  const clients = await makeAuthority('clients', undefined, { to: 3.5 * day });
  writeFileSync(path('clients.pem'), `${clients.certificate.toString('pem')}\n`);
  const use = ({ certificate, certificateKey }: typeof soon) => {
    writeFileSync(path('tls/server.pem'), certificate);
    writeFileSync(path('tls/server.key'), certificateKey);
  };
  const warnings = async () => (await daemon.health()).warnings.filter((text) => text.includes("'tls."));
  use(soon);
  await daemon.start();
  t.match(await warnings(), [/^'tls\.certificate' expires at \d{4}-\S+Z, in 29 days: replace it/]);
  t.match(daemon.stderr, /'tls\.certificate' expires at/, 'the log has the warning too');
  use(later);
  await daemon.reload();
  t.strictSame(await warnings(), []);
  use(over);
  await daemon.reload();
  t.match(await warnings(), [/^'tls\.certificate' expired at/]);

  const mixed = { certificate: later.certificate, certificateKey: soon.certificateKey };
  const refusal =
    /'tls\.certificate' and 'tls\.key' cannot be used: the private key in \S+server\.key is not that of the first certificate in \S+server\.pem\.\n/;
  use(mixed);
  const before = daemon.stderr.length;
  process.kill(daemon.pid, 'SIGHUP');
  while (!daemon.stderr.slice(before).includes('not reloaded'))
    await new Promise((done) => setTimeout(done, 20));
  t.match(daemon.stderr.slice(before), refusal);
  t.match(await warnings(), [/^'tls\.certificate' expired at/], 'the old certificate stays in use');
  t.equal(await daemon.stop(), 0);
  const failure = await daemon.start().then(
    () => new Error('it started'),
    (error: unknown) => error as Error,
  );
  t.match(failure.message, refusal);
  t.notMatch(failure.message, /\n\s+at /, 'the error has no stack trace');

  use(later);
  daemon.configure('tls:\n  clientCa: clients.pem');
  await daemon.start();
  t.match(await warnings(), [/^'tls\.clientCa' expires at \S+Z, in 3 days/]);
  writeFileSync(path('clients.pem'), '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n');
  const again = daemon.stderr.length;
  process.kill(daemon.pid, 'SIGHUP');
  while (!daemon.stderr.slice(again).includes('not reloaded'))
    await new Promise((done) => setTimeout(done, 20));
  t.match(daemon.stderr.slice(again), /'tls\.clientCa' cannot be used/);
});
