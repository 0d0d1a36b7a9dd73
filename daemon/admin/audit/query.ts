// `keyhold audit query`: the records of the audit log that pass all filters, with or without a running daemon.
import { once } from 'node:events';
import { Command, Option } from 'commander';
import { readableAuditLine } from '../../../proto/audit-lines.js';
import { type Match, query } from '../../audit/query/query.js';
import { addHomeOption, endWithReader, exitCodes, runProgram } from '../program.js';
import { addFilterOptions, readFilters } from './filter-options.js';
import { queriedLog } from './log-directory.js';

/** The formats of a record on standard output. */
const outputs: Readonly<Record<string, (match: Match) => string | Buffer>> = {
  json: ({ line }) => line,
  readable: ({ line }) => readableAuditLine(line.toString()),
  text: ({ record: { sequence, eventTime, eventName, eventType, userIdentity, resources, errorCode } }) =>
    [
      sequence,
      eventTime,
      eventName ?? eventType,
      userIdentity?.arn ?? userIdentity?.invokedBy ?? userIdentity?.type,
      resources?.map(({ ARN }) => ARN).join(','),
      errorCode,
    ]
      .map((value) => String(value ?? '').replace(/[^ -~]/g, '?') || '-')
      .join('\t'),
};

interface Options extends Record<string, unknown> {
  output: string;
}

const lineFeed = Buffer.from('\n');

/** Number of bytes that are collected before they are printed. */
const blockLength = 64 * 1024;

const program = addHomeOption(new Command('keyhold audit query'))
  .description('Prints the records of the audit log that pass all filters.')
  .option('--dir <dir>', 'folder of a copy of the log')
  .option('--archives <dir>', 'a folder of archived files, which are read too')
  .option('--no-index', 'read the whole log, also where its indexes say that no record can pass')
  .option(
    '--public-key <file>',
    "the indexes' key, SPKI in PEM or DER (default: audit-public-key.pem in home)",
  )
  .addOption(
    new Option(
      '--output <format>',
      'json: the original lines; text: columns separated by tabs; readable: for people',
    )
      .choices(Object.keys(outputs))
      .default('json'),
  );
addFilterOptions(program);

/** @returns 0, also if nothing was found; 1 if lines of the log are not records */
async function run(): Promise<number> {
  const options = program.opts<Options>();
  const filters = readFilters(options, Date.now());
  endWithReader();
  let code: number = exitCodes.done;
  const matches = query(queriedLog(program), filters, ({ file, number }) => {
    process.stderr.write(
      `audit query: line ${number} of ${file} is not a record: run keyhold audit verify\n`,
    );
    code = exitCodes.failed;
  });
  await print(matches, outputs[options.output]!);
  return code;
}

async function print(matches: Iterable<Match>, render: (match: Match) => string | Buffer): Promise<void> {
  let parts: Buffer[] = [];
  let length = 0;
  const flush = async () => {
    const block = Buffer.concat(parts);
    [parts, length] = [[], 0];
    if (!process.stdout.write(block)) await once(process.stdout, 'drain');
  };
  for (const match of matches) {
    const rendered = render(match);
    const text = typeof rendered === 'string' ? Buffer.from(rendered) : rendered;
    const line = Buffer.concat([text, lineFeed]);
    parts.push(line);
    length += line.length;
    if (length >= blockLength) await flush();
  }
  if (length > 0) await flush();
}

await runProgram(program, run, exitCodes.usage);
