// Modules that cannot be linked: what they answer when it is tried is what their profiles say.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { loadProfile } from '../../../daemon/config/load.js';
import { checkout } from '../../support/paths.js';

interface Module {
  readonly profile: string;
  readonly label: string;
  readonly officerPin: string;
  readonly needs: readonly string[];
  readonly asRoot?: boolean;
  /** A shell script that makes the token with {@link officerPin} and the user PIN `userpin1`. */
  readonly makeToken: string;
  /** The return value that its profile names. */
  readonly returned: RegExp;
}

const userPin = 'userpin1';
const modules: readonly Module[] = [
  {
    profile: 'nss',
    label: 'NSS Certificate DB',
    officerPin: '',
    needs: ['/usr/lib/x86_64-linux-gnu/libsoftokn3.so', '/usr/bin/certutil'],
    makeToken: `printf %s ${userPin} >"$1/pin"; mkdir -p "$1/tokens/nss"; certutil -N -d "sql:$1/tokens/nss" -f "$1/pin"`,
    returned: /CKR_USER_TYPE_INVALID/,
  },
  {
    profile: 'opencryptoki',
    label: 'keyhold',
    officerPin: '12345678',
    needs: ['/usr/sbin/pkcsslotd', '/usr/sbin/pkcsconf'],
    asRoot: true,
    makeToken: [
      "printf '87654321\\nkeyhold\\n' | pkcsconf -I -c 3",
      "printf '87654321\\n12345678\\n12345678\\n' | pkcsconf -P -c 3",
      "printf '12345678\\nfirstpin\\nfirstpin\\n' | pkcsconf -u -c 3",
      `printf 'firstpin\\n${userPin}\\n${userPin}\\n' | pkcsconf -p -c 3`,
    ].join(' && '),
    returned: /CKR_ATTRIBUTE_TYPE_INVALID/,
  },
  {
    profile: 'tpm2',
    label: 'keyhold',
    officerPin: 'officer1',
    needs: [
      '/usr/lib/x86_64-linux-gnu/pkcs11/libtpm2_pkcs11.so',
      '/usr/bin/tpm2_ptool',
      '/usr/bin/swtpm',
      '/usr/sbin/tpm2-abrmd',
    ],
    makeToken: `tpm2_ptool init && tpm2_ptool addtoken --pid=1 --label=keyhold --sopin=officer1 --userpin=${userPin}`,
    returned: /CKR_FUNCTION_NOT_SUPPORTED/,
  },
];

for (const { profile, label, officerPin, needs, asRoot, makeToken, returned } of modules) {
  const isThere = needs.every((path) => existsSync(path)) && (!asRoot || process.getuid?.() === 0);
  const skip = !isThere && `SKIPPED: ${profile} NOT TESTED, it is not installed or needs root`;
  void t.test(`${profile} cannot be linked, and its profile says why`, { skip }, (t) => {
    const home = mkdtempSync(join(tmpdir(), 'kh-'));
    t.teardown(() => rmSync(home, { recursive: true, force: true }));
    mkdirSync(join(home, 'tokens'));
    const program = join(checkout, 'dist/test/hsm/link/assess-module.js');
    const script = `{ ${makeToken}; } >&2 && exec "$0" ${program} ${profile} "$1" "${label}" "${officerPin}" ${userPin}`;
    const run = join(checkout, 'hsm-config', `${profile}.run`);
    const inner = ['bash', '-c', script, process.execPath, home] as const;
    const [command, ...args] = existsSync(run) ? [run, home, ...inner] : inner;
    const output = execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
    t.match(output, returned);
    t.match(loadProfile(profile, home).multiRegion.refused, returned);
    t.end();
  });
}
