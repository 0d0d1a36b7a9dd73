// The examples in the doc comments of the client run as they are against a daemon.
import { execFile } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { TestDaemon } from '../support/daemon.js';
import { checkout } from '../support/paths.js';

interface Example {
  readonly name: string;
  readonly text: string;
  /** What it prints, as its comments say. */
  readonly prints: readonly string[];
}

const expected = (text: string) =>
  [...text.matchAll(/console\.log\(.*\); \/\/ (.*)$/gm)].map(([, word]) => word!);

/** The @example blocks of the client's files; each ends with its doc comment. */
function inComments(): Example[] {
  const folder = join(checkout, 'client');
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) =>
    file.endsWith('.ts'),
  );
  return files.sort().flatMap((file) =>
    [...readFileSync(join(folder, file), 'utf8').matchAll(/^ \* @example\n((?: \*(?: .*)?\n)+?) \*\//gm)].map(
      ([, block], index) => {
        const text = block!.replace(/^ \*(?: {3})?/gm, '');
        return { name: `${file}, example ${index + 1}`, text, prints: expected(text) };
      },
    ),
  );
}

void t.test('the examples of the client run, and print what they say', async (t) => {
  const daemon = await TestDaemon.start(t);
  const examples = inComments();
  t.ok(examples.length >= 6, `${examples.length} examples`);
  for (const { name, text, prints } of examples) {
    const project = t.testdir();
    mkdirSync(join(project, 'node_modules'));
    symlinkSync(checkout, join(project, 'node_modules/keyhold'));
    writeFileSync(join(project, 'example.mjs'), text);
    const { stdout } = await promisify(execFile)(process.execPath, ['example.mjs'], {
      cwd: project,
      env: daemon.env,
    });
    t.strictSame(
      stdout.split('\n').filter((line) => line !== ''),
      prints,
      name,
    );
  }
});
