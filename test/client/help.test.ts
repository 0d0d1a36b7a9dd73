// The help of the command line: every operation and option has a sentence, on 80 columns.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import t from 'tap';
import { headingOf } from '../../client/cli/help/operation-groups.js';
import { optionText } from '../../client/cli/help/option-texts.js';
import { helpOf, wordsOf } from '../../client/cli/help/sections.js';
import { kebab } from '../../client/cli/input/values.js';
import { makeProgram } from '../../client/cli/program.js';
import { operationTexts } from '../../proto/generated/texts.js';
import { operationShapes } from '../../proto/schema/descriptor.js';

const keyhold = fileURLToPath(new URL('../../client/cli/main.js', import.meta.url));

function help(...words: string[]): string {
  const { status, stdout } = spawnSync(process.execPath, [keyhold, ...words, '--help'], {
    env: { PATH: process.env.PATH },
    encoding: 'utf8',
  });
  t.equal(status, 0, words.join(' '));
  return stdout;
}

const withCommand = operationShapes.filter(({ name }) => name !== 'SeedKey');

void t.test('every operation has a short sentence, and every option a text', (t) => {
  for (const { name, request } of withCommand) {
    t.match(operationTexts[name], /^[A-Z].{8,78}[.']$/, name);
    t.not(headingOf(name), 'Other operations:', name);
    for (const { name: field } of request.fields) {
      t.match(optionText(name, field), /^[^ ].+[^.]$/, `${name} ${field}`);
    }
  }
  t.end();
});

void t.test('keyhold --help lists every command with its sentence and fits 80 columns', (t) => {
  const text = help();
  const flat = text.replace(/\s+/g, ' ');
  for (const { name, field } of withCommand)
    t.ok(flat.includes(` ${kebab(field)} ${operationTexts[name]}`), name);
  t.notMatch(text, /The operation/);
  for (const words of [
    [],
    ['encrypt'],
    ['create-custom-key-store'],
    ['identity'],
    ['identity', 'create-role'],
  ])
    for (const line of help(...words).split('\n')) t.ok(line.length <= 80, line);
  t.end();
});

void t.test('the help of a command shows its sentence, required options, other options and examples', (t) => {
  const text = help('encrypt');
  t.match(
    text,
    /^Usage: keyhold encrypt --key-id <value> --plaintext <value> \[options\]\n\nEncrypts up to 4,096 bytes with a key\.\n\nRequired options:\n {2}--key-id <value> +the key: ID, ARN, alias name or alias ARN\n/,
  );
  t.match(text, /\n\nOptions:\n {2}--encryption-context <value>/);
  t.match(text, /one of\s+RSAES_OAEP_SHA_1, RSAES_OAEP_SHA_256, SM2PKE,\s+SYMMETRIC_DEFAULT/);
  t.match(text, /\n\nExamples:\n {2}keyhold encrypt --key-id alias\/app --plaintext fileb:\/\/message/);
  t.match(text, /\n\nGlobal options:\n {2}--region, --profile/);
  t.match(help(), /\n\nGlobal options:\n[\s\S]*\n {2}--region <region> +the Region to sign for/);
  t.end();
});

void t.test('every command that takes options has an example, with words and options that exist', (t) => {
  const visit = (command: Command): void => {
    const { examples } = helpOf(command);
    const words = wordsOf(command);
    if (words !== 'keyhold' && command.commands.length === 0 && command.options.length > 0)
      t.not(examples.length, 0, words);
    for (const { line } of words === 'keyhold' ? [] : examples) {
      if (!line.includes('keyhold ')) continue;
      t.ok(line.includes(words), line);
      t.notMatch(
        line,
        / \.\.\.( |$)/,
        'each value of an example has a sample in client/cli/help/examples.ts',
      );
      const known = new Set(command.options.flatMap(({ long }) => long ?? []));
      const own = line.slice(line.indexOf(words)).split('|')[0]!;
      for (const [option] of own.matchAll(/--[a-z][a-z-]*/g)) t.ok(known.has(option), `${words} ${option}`);
    }
    command.commands.forEach(visit);
  };
  visit(makeProgram());
  t.end();
});
