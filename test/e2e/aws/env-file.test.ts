// `. env`: the CAs that a shell trusted before stay trusted, and the SDK for JavaScript v2 finds its settings.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { X509Certificate } from 'node:crypto';
import t from 'tap';
import { TestDaemon } from '../../support/daemon.js';

const blocks = (path: string) =>
  (readFileSync(path, 'utf8').match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? []).map(
    (pem) => new X509Certificate(pem).fingerprint256,
  );

void t.test('the env file', async (t) => {
  const daemon = await TestDaemon.start(t);
  const own = new X509Certificate(daemon.ca).fingerprint256;
  const proxy = join(t.testdir({}), "proxy's ca.pem");
  // Without a line break at the end, as some tools write it.
  writeFileSync(proxy, rootCertificates[0]!.trim());
  const other = new X509Certificate(rootCertificates[0]!).fingerprint256;
  const show =
    'printf "%s\\n" "$AWS_CA_BUNDLE" "$NODE_EXTRA_CA_CERTS" "$AWS_CONFIG_FILE" "$AWS_SDK_LOAD_CONFIG"';
  const sourced = (shell: string, before = '', times = 1) => {
    const source = `. '${daemon.home}/env'; `.repeat(times);
    const text = execFileSync(shell, ['-euc', `${before}${source}${show}`], {
      env: { PATH: process.env.PATH },
      encoding: 'utf8',
    });
    const [bundle = '', node = '', config = '', load = ''] = text.split('\n');
    return { bundle: blocks(bundle), node: blocks(node), config, load, paths: [bundle, node] };
  };
  const setting = `export AWS_CA_BUNDLE="${proxy}" NODE_EXTRA_CA_CERTS="${proxy}"; `;
  for (const shell of ['sh', 'bash'])
    await t.test(shell, (t) => {
      const plain = sourced(shell);
      t.strictSame(plain.node, [own], "Node adds Keyhold's CA to its own list");
      t.ok(plain.bundle.includes(own));
      t.ok(plain.bundle.length > 50, "the AWS CLI gets the system's CAs too");
      for (const times of [1, 3]) {
        const kept = sourced(shell, setting, times);
        t.strictSame(kept.bundle, [other, own], `sourcing the file ${times} times keeps the other CA`);
        t.strictSame(kept.node, [other, own]);
      }
      t.strictSame(sourced(shell, `export SSL_CERT_FILE="${proxy}"; `).bundle, [other, own]);
      t.ok(sourced(shell, 'export AWS_CA_BUNDLE=/nowhere; ').bundle.includes(own));
      t.equal(plain.load, '1');
      t.match(readFileSync(plain.config, 'utf8'), /^\[default\]\nregion = us-east-1\n/m);
      t.end();
    });
});
