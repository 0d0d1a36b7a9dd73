import { execFile } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { checkout } from '../support/paths.js';

void t.test(
  "another project imports the client as 'keyhold/client', with its types and without native modules",
  async (t) => {
    const project = t.testdir();
    mkdirSync(join(project, 'node_modules'));
    symlinkSync(checkout, join(project, 'node_modules/keyhold'));
    const program = `import { connect, exceptions } from 'keyhold/client';
    const client = await connect({ url: 'unix:/nonexistent' }).catch((error) => error.code);
    console.log(client, typeof exceptions.NotFoundException);`;
    writeFileSync(join(project, 'use.mjs'), program);
    const { stdout } = await promisify(execFile)(process.execPath, ['--no-addons', 'use.mjs'], {
      cwd: project,
      env: { AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b' },
    });
    t.equal(stdout, 'NotConnected function\n');
    const typed = `import { connect, type Client } from 'keyhold/client';
    const use = async (client: Client): Promise<Uint8Array | undefined> =>
      (await client.decrypt({ ciphertextBlob: new Uint8Array(1), encryptionContext: { a: 'b' } })).plaintext;
    void connect({}).then(use);`;
    writeFileSync(join(project, 'use.mts'), typed);
    const tsc = join(checkout, 'node_modules/typescript/bin/tsc');
    const flags = [
      '--noEmit',
      '--ignoreConfig',
      '--strict',
      '--module',
      'nodenext',
      '--target',
      'es2023',
      '--skipLibCheck',
    ];
    const types = ['--typeRoots', join(checkout, 'node_modules/@types'), '--types', 'node'];
    await t.resolves(
      promisify(execFile)(process.execPath, [tsc, ...flags, ...types, 'use.mts'], { cwd: project }),
    );
  },
);
