// Every command of README.md and docs/*.md is run, in order, against a daemon, or the page says in a comment why not.
// Arguments: pages, such as docs/import.md; all of them, if none is given.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { TestDaemon } from '../support/daemon.js';
import { checkout } from '../support/paths.js';
import { pkcs11Tool } from '../support/token.js';
import { blocksOf, commandsOutsideBlocks } from './pages.js';
import { Shell } from './shell.js';

t.setTimeout(600_000);

/** Commands that create what a page assumes. */
const prepare: Readonly<Record<string, { commands?: string; act?: (daemon: TestDaemon) => unknown }>> = {
  'docs/access.md': {
    commands: `keyhold create-alias --alias-name alias/payments \\
      --target-key-id "$(keyhold create-key --query KeyMetadata.KeyId --output text)"`,
  },
  'docs/adopt.md': {
    act(daemon) {
      const tool = (...args: string[]) => pkcs11Tool(daemon, ...args);
      const safe = ['--private', '--sensitive'];
      tool('--keygen', '--key-type', 'AES:32', '--label', 'payroll', '--id', '01', ...safe);
      tool('--keypairgen', '--key-type', 'EC:prime256v1', '--id', '0badcafe', '--usage-sign', ...safe);
    },
  },
  'docs/client.md': {
    commands: `PAIR=$(keyhold create-key --key-spec ECC_NIST_P256 --key-usage SIGN_VERIFY --query KeyMetadata.KeyId --output text)
      keyhold sign --key-id "$PAIR" --message fileb://message --signing-algorithm ECDSA_SHA_256 \
        --query Signature --output text | base64 -d > message.signature`,
  },
  'docs/configuration.md': {
    commands: `mkdir ~/.aws
      echo '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:Decrypt","Resource":"*"}]}' > decrypt.json`,
  },
};

/** Pages whose commands change a whole machine: test/packages/server-guide.test.ts runs them in one of its own. */
const ofMachines = new Set(['production.md']);

const pages = [
  'README.md',
  ...readdirSync(join(checkout, 'docs')).filter((name) => name.endsWith('.md') && !ofMachines.has(name)),
].map((name) => (name === 'README.md' ? name : `docs/${name}`));
/** The pages named on the command line, or all. */
const chosen = process.argv.length > 2 ? process.argv.slice(2) : pages;

/** Runs the blocks of a page. @returns the number that were not run */
async function follow(t: Test, daemon: TestDaemon, name: string): Promise<number> {
  const page = readFileSync(join(checkout, name), 'utf8');
  t.strictSame(commandsOutsideBlocks(page), [], 'commands are in blocks of ```sh');
  const blocks = blocksOf(page);
  const left = blocks.filter(({ notRun }) => notRun !== undefined);
  for (const { line, notRun } of left) t.comment(`${name}:${line} is not run: ${notRun}`);
  if (left.length === blocks.length) return left.length;
  const folder = mkdtempSync(join(tmpdir(), 'kh-docs-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const home = join(folder, 'home-of-the-user');
  mkdirSync(home, { recursive: true });
  symlinkSync(daemon.home, join(folder, 'var'));
  const shell = new Shell(folder, { PATH: process.env.PATH, HOME: home, TMPDIR: folder, LANG: 'C.UTF-8' });
  const { commands = '', act } = prepare[name] ?? {};
  await act?.(daemon);
  const before = await shell.run(`. var/env\nprintf 'attack at dawn' > message\n${commands}\n`);
  t.ok(before.succeeded, before.output);
  for (const { line, text, notRun, daemon: wanted, prints } of blocks) {
    if (notRun !== undefined) continue;
    if (wanted !== 'running') await daemon.stop();
    if (wanted === 'restarted') await daemon.start();
    const { succeeded, output } = await shell.run(text);
    t.ok(succeeded, `${name}:${line}\n${succeeded ? '' : output}`);
    if (!succeeded) break;
    for (const words of prints) t.match(output, words, `${name}:${line} prints it`);
    if (wanted === 'stopped') await daemon.start();
  }
  await shell.end();
  return left.length;
}

void t.test('the commands of every page', async (t) => {
  const daemon = await TestDaemon.start(t, undefined, { workers: 2 });
  let notRun = 0;
  for (const name of chosen)
    await t.test(name, async (t) => {
      notRun += await follow(t, daemon, name);
    });
  t.comment(`${notRun} blocks are not run`);
});
