// `keyhold audit verify`: verifies the audit log and reports the first fault.
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { Command } from 'commander';
import { z } from 'zod';
import { startProgress } from '../../../proto/progress.js';
import type { ChainHead } from '../../audit/chain.js';
import { type VerifyReport, verifyLog } from '../../audit/verify.js';
import { expectedLogHead, readRecords } from '../../app/opening/open-home.js';
import { addHomeOption, exitCodes, homeOf, runProgram, UsageError, wholeNumber } from '../program.js';
import { withStoppedHome } from '../recover/stopped-home.js';
import { logDirectory } from './log-directory.js';
import { readPublicKey } from './public-key.js';
import { homePaths } from '../../files/home.js';

interface Options {
  dir?: string;
  publicKey?: string;
  expectCheckpoint?: number;
  json?: boolean;
  archives?: string;
}

/** The newest record that the log must have, or the reason why it is unknown. */
interface DaemonHead {
  readonly head?: ChainHead;
  readonly reason?: string;
}

const program = addHomeOption(new Command('keyhold audit verify'))
  .description('Verifies the audit log: its chain, and the signatures of its checkpoints.')
  .option('--dir <dir>', 'folder of a copy of the log; the daemon is not asked for its newest record')
  .option(
    '--public-key <file>',
    "the checkpoints' key, SPKI in PEM or DER (default: audit-public-key.pem in home)",
  )
  .option('--expect-checkpoint <n>', 'the log must have a checkpoint of record N or a later one', wholeNumber)
  .option('--archives <dir>', 'a folder of archived files, which are verified too')
  .option('--json', 'print the report as JSON');

/** @returns 0 if the log is intact, 1 if it has a fault */
async function verify(): Promise<number> {
  const options = program.opts<Options>();
  const directory = logDirectory(program);
  const publicKey = readPublicKey(options.publicKey ?? homePaths(homeOf(program)).auditPublicKey);
  const daemon: DaemonHead = options.dir
    ? { reason: 'the log was named by --dir' }
    : await knownHead(homeOf(program));
  const progress = startProgress('verifying', 'items');
  const report = verifyLog({
    directory,
    publicKey,
    expectCheckpoint: options.expectCheckpoint,
    expectHead: daemon.head,
    archives: options.archives,
    onProgress: progress.show,
  });
  progress.end();
  process.stdout.write(
    options.json ? `${JSON.stringify({ whole: !report.fault, ...report })}\n` : inWords(report, daemon),
  );
  return report.fault ? exitCodes.failed : exitCodes.done;
}

const health = z.object({
  audit: z.object({ sequence: z.int().nonnegative(), hash: z.string().regex(/^[0-9a-f]{64}$/) }),
});

/** Asks for the newest record: the daemon or, if none runs, the metadata store's root and the HSM's anchor. */
async function knownHead(home: string): Promise<DaemonHead> {
  const asked = await askDaemon(homePaths(home).socket);
  if (asked.head || !existsSync(homePaths(home).metadata)) return asked;
  try {
    const head = await withStoppedHome(home, async ({ store, instance, keyStore }) =>
      expectedLogHead(await readRecords(store, instance, keyStore)),
    );
    return head
      ? { head }
      : { reason: `${asked.reason}, and the metadata store does not name its newest record` };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { reason: `${asked.reason}, and the metadata store and HSM could not be asked (${reason})` };
  }
}

/** Time in milliseconds for a daemon to answer. */
const answerTime = 5000;

/** Asks the daemon at a socket for its newest record. The status does not matter: an unhealthy daemon has one too. */
async function askDaemon(socketPath: string): Promise<DaemonHead> {
  let body: string;
  try {
    const asked = request({ socketPath, path: '/healthz', signal: AbortSignal.timeout(answerTime) }).end();
    const [response] = (await once(asked, 'response')) as [IncomingMessage];
    body = await text(response);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ECONNREFUSED') return { reason: 'no daemon is running' };
    throw new UsageError(
      `the daemon at ${socketPath} does not answer: stop it, or verify a copy with --dir`,
      {
        cause: error,
      },
    );
  }
  try {
    return { head: health.parse(JSON.parse(body)).audit };
  } catch (error) {
    throw new UsageError(
      `the answer of ${socketPath}/healthz does not name the newest record of an audit log`,
      {
        cause: error,
      },
    );
  }
}

function inWords(report: VerifyReport, daemon: DaemonHead): string {
  const { fault, newestCheckpoint } = report;
  const lines = [
    `${report.records} records in ${report.files} files, ${report.checkpoints} checkpoints`,
    ...(report.firstRecord > 1
      ? [`begins with record ${report.firstRecord}: a signed record says that those before it were archived`]
      : []),
    newestCheckpoint > 0
      ? `authenticated up to record ${newestCheckpoint} (newest checkpoint); ${report.chainedOnly} later records are only chained`
      : `no checkpoint: all ${report.chainedOnly} records are only chained`,
    report.truncationChecked
      ? 'truncation checked'
      : `truncation not checked: ${daemon.reason}; use --expect-checkpoint N`,
  ];
  if (fault) {
    const place = fault.line > 0 ? `${fault.file} line ${fault.line}` : fault.file;
    lines.unshift(`BROKEN at record ${fault.sequence}, ${place}: ${fault.kind}: ${fault.reason}`);
    lines[1] = `before that: ${lines[1]}`;
  } else lines.unshift('The audit log is whole.');
  return lines.join('\n') + '\n';
}

await runProgram(program, verify, exitCodes.usage);
