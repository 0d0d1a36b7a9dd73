// docs/production.md, line by line: the Debian package, SoftHSM2 as the HSM, a machine of its own with systemd, and a second
// machine in another network namespace.
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { checkout } from '../support/paths.js';

const needed = ['dpkg-deb', 'systemctl', 'systemd-analyze', 'unshare', 'ip', 'softhsm2-util', 'curl'];
const isThere = (program: string) =>
  ['/usr/sbin', '/usr/bin', '/sbin', '/bin'].some((folder) => existsSync(join(folder, program)));

function reasonToSkip(): string | false {
  const missing = needed.filter((program) => !isThere(program));
  if (missing.length > 0) return `NOT TESTED: needs ${missing.join(', ')}`;
  if (process.getuid?.() !== 0) return 'NOT TESTED: needs root, for namespaces';
  if (!existsSync('/lib/systemd/systemd')) return 'NOT TESTED: needs systemd';
  return false;
}

/** The shell blocks of a page, with the text after the word `sh`. */
function blocksOf(page: string): { readonly where: string; readonly text: string }[] {
  return [...page.matchAll(/^```sh ?(.*)\n([\s\S]*?)^```$/gm)].map(([, where = '', text = '']) => ({
    where,
    text,
  }));
}

/** A network of two machines: this one is 10.77.0.1, and 10.77.0.2 is in the namespace `second`. */
const network = `
trap 'cat /out/daemon.log || true' ERR
install -d /etc/systemd/system/keyhold.service.d
printf '[Service]\\nStandardError=file:/out/daemon.log\\nLoadCredential=\\nEnvironment=CREDENTIALS_DIRECTORY=/run/test-credentials\\n' >/etc/systemd/system/keyhold.service.d/log.conf
ip link set lo up
ip link add kh0 type veth peer name kh1
ip address add 10.77.0.1/24 dev kh0
ip link set kh0 up
ip netns add second
ip link set kh1 netns second
ip -n second address add 10.77.0.2/24 dev kh1
ip -n second link set kh1 up
ip -n second link set lo up
`;

/** Copies the files that the guide says to copy to the second machine. */
const copies = `
useradd --create-home bob
install -o bob -m 0600 /var/lib/keyhold/tls/ca.pem /root/alice-credentials /home/bob/
unset KEYHOLD_URL AWS_SHARED_CREDENTIALS_FILE NODE_EXTRA_CA_CERTS AWS_CA_BUNDLE
`;

const afterwards = `
systemctl show keyhold --property=Type,WatchdogUSec,StatusText,MainPID,User
systemd-analyze security --offline=yes /lib/systemd/system/keyhold.service | tail -1 >/out/exposure
systemctl reload keyhold
systemctl restart keyhold
test "$(systemctl is-active keyhold)" = active
test "$(stat -c '%U:%G %a' /run/keyhold/keyhold.sock)" = 'keyhold:keyhold-clients 660'
dpkg --purge keyhold
test ! -e /usr/lib/keyhold
test ! -e /lib/systemd/system/keyhold.service
! systemctl is-active keyhold
test -e /var/lib/keyhold/metadata/CURRENT
`;

void t.test('the server guide works line by line', { skip: reasonToSkip(), timeout: 900_000 }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'kh-s-'));
  const out = join(folder, 'out');
  mkdirSync(out, { mode: 0o755 });
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const deb = execFileSync(join(checkout, 'scripts/package-deb'), [out], { encoding: 'utf8' }).trim();
  const files = execFileSync('dpkg-deb', ['--contents', deb], { encoding: 'utf8', maxBuffer: 1e8 });
  for (const page of ['keyhold', 'keyhold-encrypt', 'keyhold-init', 'keyhold-audit'])
    t.match(files, `/usr/share/man/man1/${page}.1.gz`);
  t.notMatch(files, /\.ts$|\.test\.js$|\/test\//m, 'neither sources nor tests');

  const blocks = blocksOf(readFileSync(join(checkout, 'docs/production.md'), 'utf8'));
  t.equal(blocks.length, 8);
  const lines = blocks.map(({ where, text }, index) => {
    if (where === '') {
      // NOT TESTED: LoadCredential, whose files the service's user cannot read in this namespace. A folder of the same form has the PIN.
      if (text.startsWith('systemctl enable'))
        return `install -d -m 0700 -o keyhold /run/test-credentials\ninstall -m 0600 -o keyhold /etc/keyhold/pin /run/test-credentials/\n${text}`;
      if (!text.startsWith('nft ') || isThere('nft')) return text;
      t.comment('NOT TESTED: the lines with nft, which is not installed');
      return '';
    }
    writeFileSync(join(out, `second-${index}.sh`), text);
    return `${copies}\nip netns exec second runuser -u bob -- env -C /home/bob HOME=/home/bob bash -eux /out/second-${index}.sh >/out/second.txt`;
  });
  writeFileSync(join(out, 'run.sh'), [network, ...lines, afterwards].join('\n'));

  const namespaces = ['--mount', '--pid', '--net', '--ipc', '--uts', '--cgroup', '--fork', '--kill-child'];
  const machine = spawn('unshare', [...namespaces, 'sh', join(checkout, 'test/packages/server.sh'), folder], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  t.teardown(() => machine.kill('SIGKILL'));
  const code = join(out, 'code');
  const end = Date.now() + 800_000;
  while (!existsSync(code) && machine.exitCode === null && Date.now() < end)
    await new Promise((done) => setTimeout(done, 200));
  const log = existsSync(join(out, 'log'))
    ? readFileSync(join(out, 'log'), 'utf8')
    : 'the machine did not start';
  if (!t.equal(existsSync(code) && readFileSync(code, 'utf8').trim(), '0')) t.comment(log.slice(-8_000));
  t.equal(readFileSync(join(out, 'second.txt'), 'utf8'), 'a secret\n', 'the second machine decrypts');
  const exposure = readFileSync(join(out, 'exposure'), 'utf8');
  t.comment(exposure);
  t.ok(Number(/: (\d+\.\d)/.exec(exposure)?.[1] ?? 10) < 2.5, exposure);
});
