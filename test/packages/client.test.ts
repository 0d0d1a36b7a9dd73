// @keyhold/client, packed and installed: in modules, CommonJS and TypeScript, and its command line, against a daemon.
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { TestDaemon } from '../support/daemon.js';
import { checkout } from '../support/paths.js';
import { filesBelow, install, outOfPlace, pack } from './packing.js';

const run = promisify(execFile);

const useOfClient = (imports: string) => `${imports}
async function main() {
  const client = await connect();
  const { keyMetadata, requestId } = await client.createKey();
  const { keyId } = keyMetadata;
  const { ciphertextBlob } = await client.encrypt({ keyId, plaintext: Buffer.from('attack at dawn') });
  const { plaintext } = await client.decrypt({ ciphertextBlob });
  const found = [];
  for await (const key of client.paginateListKeys({ limit: 1 })) found.push(key.keyId);
  const error = await client.describeKey({ keyId: 'alias/none' }).catch((each) => each);
  const sealed = await sealBytes(Buffer.from('and at dusk'), { dataKeys: client.dataKeys, keyId });
  const opened = await openBytes(sealed, { dataKeys: client.dataKeys });
  await client.close();
  console.log(JSON.stringify([
    Buffer.from(plaintext).toString(), opened.toString(), found.includes(keyId), requestId.length,
    error instanceof ServiceError, error instanceof exceptions.NotFoundException, error.requestId.length,
  ]));
}
main();
`;
const names = 'connect, exceptions, openBytes, sealBytes, ServiceError';
const printed = '["attack at dawn","and at dusk",true,36,true,true,36]\n';

const typed = `import { type Client, connect, type KeyListEntry, ServiceError } from '@keyhold/client';
export async function main(): Promise<string> {
  await using client: Client = await connect({ on: { retry: ({ operation, delay }) => console.log(operation, delay) } });
  client.on('disconnect', ({ error }) => console.log(error.message));
  const { keyMetadata, requestId } = await client.createKey();
  const id: string = keyMetadata.keyId;
  const { plaintext, keyId } = await client.generateDataKey({ keyId: id, keySpec: 'AES_256' });
  const bytes: Uint8Array = plaintext;
  const keys: KeyListEntry[] = [];
  for await (const key of client.paginateListKeys()) keys.push(key);
  for await (const name of client.paginateListKeyPolicies({ keyId: id })) console.log(name.toUpperCase());
  const { requestId: ofEmpty } = await client.enableKey({ keyId: id });
  await client.listKeys(undefined, { timeout: 1_000 });
  // @ts-expect-error A key ID is needed.
  await client.describeKey().catch((error: unknown) => error instanceof ServiceError && error.requestId);
  // @ts-expect-error There is no such member.
  void keyMetadata.keyName;
  return [requestId, keyId, ofEmpty, bytes.length, keys[0]!.keyId].join();
}
`;

void t.test('@keyhold/client', { timeout: 900_000 }, async (t) => {
  // Outside of the checkout, whose packages would otherwise be found.
  const folder = mkdtempSync(join(tmpdir(), 'kh-packages-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const project = join(folder, 'project');
  const installed = join(project, 'node_modules');
  const packed = await pack(join(folder, 'packed'), ['--workspace', 'client']);
  await install(project, packed.tarball);
  const daemon = await TestDaemon.start(t);
  const node = async (args: string[]) =>
    (await run(process.execPath, args, { cwd: project, env: daemon.env })).stdout;

  await t.test('contains what a user needs, without tests and sources', (t) => {
    t.strictSame(outOfPlace(packed.files), []);
    const own = ['LICENSE', 'README.md', 'package.json', 'dist/THIRD-PARTY-LICENSES.txt', 'dist/index.cjs'];
    for (const file of own) t.ok(packed.files.includes(file), file);
    const licence = (path: string) => readFileSync(join(path, 'LICENSE'), 'utf8');
    t.equal(licence(join(installed, '@keyhold/client')), licence(checkout));
    const version = (path: string) =>
      (JSON.parse(readFileSync(join(path, 'package.json'), 'utf8')) as { version: string }).version;
    t.equal(version(join(installed, '@keyhold/client')), version(checkout), 'the version of the daemon');
    t.end();
  });

  await t.test('has at most 12 packages and 3 MB, none with native code or a script', (t) => {
    const files = filesBelow(installed);
    const blocks = files.reduce((sum, file) => sum + Math.ceil(statSync(file).size / 4_096), 0);
    t.ok(blocks * 4_096 < 3_000_000, `${blocks * 4} KB`);
    const packages = readdirSync(installed)
      .filter((name) => !name.startsWith('.'))
      .flatMap((name) =>
        name.startsWith('@') ? readdirSync(join(installed, name)).map((each) => join(name, each)) : [name],
      );
    t.ok(packages.length <= 12, packages.join(' '));
    t.strictSame(
      files.filter((file) => file.endsWith('.node')),
      [],
    );
    for (const name of packages) {
      const { scripts = {} } = JSON.parse(readFileSync(join(installed, name, 'package.json'), 'utf8')) as {
        scripts?: Record<string, string>;
      };
      t.strictSame(
        ['preinstall', 'install', 'postinstall'].filter((each) => each in scripts),
        [],
        name,
      );
    }
    t.end();
  });

  await t.test('works in a module and with require(), as one implementation', async (t) => {
    writeFileSync(join(project, 'use.mjs'), useOfClient(`import { ${names} } from '@keyhold/client';`));
    writeFileSync(join(project, 'use.cjs'), useOfClient(`const { ${names} } = require('@keyhold/client');`));
    writeFileSync(
      join(project, 'both.mjs'),
      `import * as imported from '@keyhold/client';
      import { createRequire } from 'node:module';
      const required = createRequire(import.meta.url)('@keyhold/client');
      console.log(Object.keys(required).every((name) => required[name] === imported[name]));`,
    );
    t.equal(await node(['--no-addons', 'use.mjs']), printed);
    t.equal(await node(['--no-addons', 'use.cjs']), printed);
    t.equal(await node(['both.mjs']), 'true\n');
  });

  await t.test(
    'has types under the resolutions nodenext, for both kinds of modules, and bundler',
    async (t) => {
      for (const name of ['typed.mts', 'typed.cts', 'typed.ts']) writeFileSync(join(project, name), typed);
      const tsc = [
        ...[join(checkout, 'node_modules/typescript/bin/tsc'), '--noEmit', '--ignoreConfig', '--strict'],
        ...['--exactOptionalPropertyTypes', '--target', 'es2022', '--lib', 'es2022,esnext.disposable'],
        ...['--typeRoots', join(checkout, 'node_modules/@types'), '--types', 'node'],
      ];
      for (const [resolution, ...files] of [
        [['--module', 'nodenext'], 'typed.mts', 'typed.cts'],
        [['--module', 'node16'], 'typed.mts', 'typed.cts'],
        [['--module', 'esnext', '--moduleResolution', 'bundler'], 'typed.ts'],
      ] as const)
        t.equal(await node([...tsc, ...resolution, ...files]).catch(outputOf), '', files.join(' '));
    },
  );

  await t.test('has a command line without the programs of the daemon', async (t) => {
    const keyhold = join(installed, '.bin/keyhold');
    const listed = await node([keyhold, 'list-keys', '--query', 'length(Keys) > `1`']);
    t.equal(listed, 'true\n');
    // Libraries that are loaded on demand.
    t.match(await node([keyhold, 'list-keys', '--output', 'yaml']), /^Keys:\n {2}- KeyId: /);
    writeFileSync(join(project, 'seed.yaml'), 'keys: [{ keyId: none }]\n');
    t.match(await node([keyhold, 'seed', 'seed.yaml']).catch(outputOf), 'a UUID in small letters');
    for (const words of [['doctor'], ['init'], ['recover', 'store']]) {
      const failure = await node([keyhold, ...words]).catch(outputOf);
      t.match(failure, `keyhold: 'keyhold ${words.join(' ')}' comes with the package of the daemon`);
      t.notMatch(failure, /node:internal/);
    }
  });

  await t.test(
    'runs the examples of its doc comments and its README, which print what they say',
    async (t) => {
      const examples = [...inComments(), ...inReadme(join(installed, '@keyhold/client/README.md'))];
      t.ok(examples.length >= 9, `${examples.length} examples`);
      for (const [name, text] of examples) {
        writeFileSync(join(project, 'example.mjs'), text);
        const lines = (await node(['example.mjs'])).split('\n').filter((line) => line !== '');
        const expected = [...text.matchAll(/console\.log\(.*\); \/\/ (.*)$/gm)].map(([, word]) => word!);
        t.strictSame(lines, expected, name);
      }
    },
  );
});

function outputOf(error: unknown): string {
  const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string };
  return stdout + stderr;
}

type Example = readonly [name: string, text: string];

/** The @example blocks of the client's files, up to the end of each doc comment. */
function inComments(): Example[] {
  const folder = join(checkout, 'client');
  const files = ['.', 'seal'].flatMap((each) =>
    readdirSync(join(folder, each)).map((file) => join(each, file)),
  );
  return files
    .filter((file) => file.endsWith('.ts'))
    .flatMap((file) =>
      [
        ...readFileSync(join(folder, file), 'utf8').matchAll(/^ \* @example\n((?: \*(?: .*)?\n)+?) \*\//gm),
      ].map(([, block]) => [file, block!.replace(/^ \*(?: {3})?/gm, '')] as const),
    );
}

/** The JavaScript blocks of a Markdown file that are complete programs. */
function inReadme(path: string): Example[] {
  return [...readFileSync(path, 'utf8').matchAll(/^```js\n(import .*?)^```$/gms)].map(
    ([, block], index) => [`README.md, example ${index + 1}`, block!] as const,
  );
}
