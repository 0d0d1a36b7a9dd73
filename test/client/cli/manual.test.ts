// The manual pages: one for each command, or its group, which man formats without a warning.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { Command } from 'commander';
import t from 'tap';
import { wordsOf } from '../../../client/cli/help/sections.js';
import { makeProgram } from '../../../client/cli/program.js';
import { programs } from '../../../client/cli/programs.js';
import { checkout } from '../../support/paths.js';
import { absent } from '../../support/programs.js';

const skip = absent('man', ['--version'], 'man', 'man-db');

void t.test('the manual pages', { timeout: 300_000 }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'kh-man-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const build = (name: string, ...options: string[]) => {
    const out = join(folder, name, 'man1');
    execFileSync(process.execPath, [join(checkout, 'scripts/build-man-pages.mjs'), out, ...options]);
    return new Map(
      readdirSync(out).map((file) => [file, gunzipSync(readFileSync(join(out, file))).toString()] as const),
    );
  };
  const pages = build('all');
  const program = makeProgram();

  await t.test('each command has a page, and the page of a group has all its commands', (t) => {
    const groups = [program, ...program.commands];
    t.strictSame(
      [...pages.keys()].sort(),
      groups.map((command) => `${wordsOf(command).replaceAll(' ', '-')}.1.gz`).sort(),
    );
    const plain = (page: string) => pages.get(page)?.replaceAll('\\-', '-') ?? '';
    const visit = (command: Command) => {
      const top = wordsOf(command).split(' ').slice(0, 2).join('-');
      const text = plain(`${top}.1.gz`);
      t.match(text, `\n.B ${wordsOf(command)}\n`, wordsOf(command));
      for (const { long, hidden } of command.options)
        if (!hidden && long) t.ok(text.includes(long), `${wordsOf(command)} ${long}`);
    };
    for (const command of program.commands)
      if (command.commands.length === 0) visit(command);
      else command.commands.filter((each) => each.name() !== 'help').forEach(visit);
    t.match(
      plain('keyhold-init.1.gz'),
      '\n.TP\n.B --socket-group <name>\n',
      'options of the programs of the daemon are included',
    );
    t.end();
  });

  await t.test('without the programs of the daemon they have no pages', (t) => {
    const pages = build('client', '--without-programs');
    for (const [words] of programs) {
      const [first = '', second] = words.split(' ');
      const page = pages.get(`keyhold-${first}.1.gz`);
      if (second === undefined && first !== 'backup') t.equal(page, undefined, words);
    }
    t.equal(pages.get('keyhold-recover.1.gz'), undefined);
    const { man } = JSON.parse(readFileSync(join(checkout, 'client/package.json'), 'utf8')) as {
      man: string[];
    };
    t.strictSame(
      man,
      [...pages.keys()].map((file) => `./dist/man/${file}`),
      'the package lists the pages as scripts/build-client-package.mjs writes them',
    );
    t.end();
  });

  await t.test('man formats each without a warning, and finds commands by their words', { skip }, (t) => {
    const env = { ...process.env, LC_ALL: 'C.UTF-8', MANWIDTH: '80', MANPATH: join(folder, 'all') };
    const files = [...pages.keys()].map((file) => join(folder, 'all/man1', file));
    const { status, stderr } = spawnSync('man', ['--warnings', '-l', ...files], {
      env,
      encoding: 'utf8',
      maxBuffer: 2 ** 26,
    });
    t.strictSame([status, stderr], [0, '']);
    const text = execFileSync('man', ['keyhold', 'encrypt'], { env, encoding: 'utf8' });
    t.match(text, /\nREQUIRED OPTIONS\n {7}--key-id <value>\n/);
    t.match(text, /\n {11}keyhold encrypt --key-id alias\/app --plaintext fileb:\/\/message \\\n/);
    t.end();
  });
});
