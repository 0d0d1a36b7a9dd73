// Every command and program of README.md and docs/*.md is run, in order, against a daemon, or the page says in a comment why not.
// Arguments: pages, such as docs/import.md; all of them, if none is given.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import t, { type Test } from 'tap';
import { TestDaemon } from '../support/daemon.js';
import { checkout } from '../support/paths.js';
import { pkcs11Tool } from '../support/token.js';
import { type Block, blocksOf, commandsOutsideBlocks } from './pages.js';
import { Shell } from './shell.js';

t.setTimeout(600_000);

/** A role, and a user who may assume it: root may not. */
const roleForApp = `
keyhold create-role --role-name app --assume-role-policy-document \
  '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]}'
keyhold create-policy --policy-name all --policy-document \
  '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["kms:*","sts:*"],"Resource":"*"}]}'
keyhold identity create-user reader
keyhold identity attach-policy user/reader arn:aws:iam::000000000000:policy/all
keyhold identity create-access-key reader --credentials-file reader.credentials
export AWS_SHARED_CREDENTIALS_FILE=reader.credentials`;

/** Runs scripts/start-regions, whose homes are in that of the page's daemon. It is stopped at the end of the test. */
async function startRegions({ home, env }: TestDaemon, t: Test): Promise<void> {
  const child = spawn(join(checkout, 'scripts/start-regions'), [], {
    env: { ...env, KEYHOLD_HOME: home, KEYHOLD_PORT: '0' },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  t.teardown(async () => {
    child.kill('SIGTERM');
    if (child.exitCode === null) await once(child, 'exit');
  });
  await new Promise<void>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => line === 'ready' && resolve());
    child.once('close', () => reject(new Error('scripts/start-regions ended')));
  });
}

/** Commands that create what a page assumes. */
const prepare: Readonly<
  Record<string, { commands?: string; act?: (daemon: TestDaemon, t: Test) => unknown }>
> = {
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
  'docs/aws-boto3.md': { commands: roleForApp },
  'docs/client.md': {
    commands: `KEY=$(keyhold create-key --query KeyMetadata.KeyId --output text)
      keyhold create-alias --alias-name alias/files --target-key-id "$KEY"
      cp message report.pdf
      PAIR=$(keyhold create-key --key-spec ECC_NIST_P256 --key-usage SIGN_VERIFY --query KeyMetadata.KeyId --output text)
      keyhold sign --key-id "$PAIR" --message fileb://message --signing-algorithm ECDSA_SHA_256 \
        --query Signature --output text | base64 -d > message.signature
      keyhold get-public-key --key-id "$PAIR" --query PublicKey --output text | base64 -d > public.der`,
  },
  'docs/multi-region.md': { act: startRegions },
  'docs/configuration.md': {
    commands: `mkdir ~/.aws
      echo '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:Decrypt","Resource":"*"}]}' > decrypt.json`,
  },
};

const interpreters = { mjs: process.execPath, py: 'python3' } as const;

/** Lets programs import the packages that the pages tell the reader to install. */
function installPackages(folder: string): void {
  const packages = join(folder, 'node_modules');
  const client = join(packages, '@keyhold/client');
  mkdirSync(client, { recursive: true });
  const exports = join(checkout, 'dist/client/index.js');
  writeFileSync(join(client, 'package.json'), '{ "type": "module", "exports": "./index.js" }');
  writeFileSync(join(client, 'index.js'), `export * from ${JSON.stringify(exports)};\n`);
  for (const scope of ['@aws-sdk', '@aws-crypto'])
    symlinkSync(join(checkout, 'node_modules', scope), join(packages, scope));
}

/** @param folder where programs are written, and find their packages; @returns what runs a block in a shell */
function commandsOf(folder: string, { language, line, text }: Block): string {
  if (language === 'sh') return text;
  const file = join(folder, `program-${line}.${language}`);
  writeFileSync(file, text);
  return `${interpreters[language]} ${file}\n`;
}

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
  installPackages(folder);
  const shell = new Shell(folder, { PATH: process.env.PATH, HOME: home, TMPDIR: folder, LANG: 'C.UTF-8' });
  const { commands = '', act } = prepare[name] ?? {};
  await act?.(daemon, t);
  const before = await shell.run(`. var/env\nprintf 'attack at dawn' > message\n${commands}\n`);
  t.ok(before.succeeded, before.output);
  for (const block of blocks) {
    const { line, notRun, daemon: wanted, prints } = block;
    if (notRun !== undefined) continue;
    if (wanted !== 'running') await daemon.stop();
    if (wanted === 'restarted') await daemon.start();
    const { succeeded, output } = await shell.run(commandsOf(folder, block));
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
