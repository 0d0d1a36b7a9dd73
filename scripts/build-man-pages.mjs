// Writes the manual pages of the command line, compressed: keyhold.1.gz, keyhold-encrypt.1.gz and so on.
// Usage: build-man-pages.mjs FOLDER [--without-programs], after the build. --without-programs leaves out the commands that come
// with the package of the daemon alone.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const checkout = join(dirname(fileURLToPath(import.meta.url)), '..');
const compiled = (path) => join(checkout, 'dist', path);
const [folder, ...options] = process.argv.slice(2);
if (folder === undefined) throw new Error('Name a folder for the manual pages.');
if (!existsSync(compiled('client/cli/help/manual.js')))
  execFileSync('npm', ['run', '--silent', 'build'], { cwd: checkout, stdio: 'inherit' });

const { manualPages } = await import(compiled('client/cli/help/manual.js'));
const { parseProgramHelp } = await import(compiled('client/cli/help/program-help.js'));
const { makeProgram } = await import(compiled('client/cli/program.js'));
const { programs } = await import(compiled('client/cli/programs.js'));

const program = makeProgram();
const commandOf = (words) =>
  words.reduce((command, word) => command?.commands.find((each) => each.name() === word), program);

const described = new Map();
for (const [words, file] of programs) {
  const command = commandOf(words.split(' '));
  // Those with options here can ask the daemon too, and are described as they are.
  if (command.options.length > 1) continue;
  if (options.includes('--without-programs')) {
    const { parent } = command;
    parent.commands.splice(parent.commands.indexOf(command), 1);
    if (parent.parent && parent.commands.every((each) => each.name() === 'help'))
      program.commands.splice(program.commands.indexOf(parent), 1);
    continue;
  }
  const text = execFileSync(process.execPath, [compiled(`daemon/admin/${file}.js`), '--help'], {
    encoding: 'utf8',
  });
  described.set(`keyhold ${words}`, parseProgramHelp(text));
}

const { version } = JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8'));
rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
for (const { file, roff } of manualPages(program, version, described))
  writeFileSync(join(folder, `${file}.gz`), gzipSync(roff, { level: 9 }));
