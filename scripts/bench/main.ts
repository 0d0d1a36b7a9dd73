// npm run bench: measures Keyhold and its baselines in turn, in one run. Machines are noisy and differ, so the ratios matter
// more than the figures.
import { Argument, Command, Option } from 'commander';
import { auditSuite } from './audit.js';
import { awsSuite } from './aws.js';
import { ChildEnded } from './child.js';
import { comparison, readRows } from './report/compare.js';
import { connectionsSuite } from './connections.js';
import { curveSuite } from './curve.js';
import { fairnessSuite } from './fairness.js';
import { grantsSuite } from './grants.js';
import { transports } from './keyhold.js';
import { operationsSuite } from './operations.js';
import { p11KitSuite } from './baselines/p11-kit.js';
import { policySuite } from './policy.js';
import { asJson, asTable, type Row } from './report/report.js';
import { scaleSuite } from './scale.js';
import { soakSuite } from './soak.js';
import { type SuiteOptions, UsageError } from './suite.js';

/** The suites by name. A new suite needs only an entry here. */
const suites: Readonly<Record<string, (options: SuiteOptions) => Promise<Row[]>>> = {
  fairness: fairnessSuite,
  grants: grantsSuite,
  operations: operationsSuite,
  audit: auditSuite,
  aws: awsSuite,
  connections: connectionsSuite,
  curve: curveSuite,
  'p11-kit': p11KitSuite,
  policy: policySuite,
  scale: scaleSuite,
  soak: soakSuite,
};

interface Options {
  readonly seconds: string;
  readonly rounds: string;
  readonly keys: string;
  readonly records: string;
  readonly minutes: string;
  readonly svg?: string;
  readonly over: 'unix' | 'wss' | 'both';
  readonly only?: string;
  readonly profile?: string;
  readonly compare?: string;
  readonly json?: boolean;
}

const program = new Command('npm run bench --')
  .description(
    'operations: throughput and latency, compared with a plain PKCS#11 loop on the same token and a WebSocket echo.\n' +
      'fairness: latency for one principal, alone and while another one uses its full share.\n' +
      'grants: time to find and list grants, with 10 and with 50,000 grants on one key.\n' +
      'audit: time to query a long audit log, with and without its indexes.\n' +
      'policy: time of one decision over 20 statements.\n' +
      'aws: the AWS endpoint over TLS, compared with the native protocol and a bare HTTPS server that verifies signatures.\n' +
      'connections: memory of 1,000 idle connections, compared with a bare WebSocket server; shares of 1,000 busy ones.\n' +
      "p11-kit: ECDSA signatures by 16 processes, compared with p11-kit's remote module on the same token.\n" +
      'curve: throughput and latency percentiles with 1 to 512 requests in flight.\n' +
      'scale: the same operations with 10 keys and with many, the time to start, and memory.\n' +
      'soak: memory, file descriptors and handles under a mixed load.',
  )
  .addArgument(new Argument('[suite]').choices(Object.keys(suites)).default('operations'))
  .option('--seconds <n>', 'seconds for which each figure is measured in each round', '2')
  .option('--rounds <n>', 'number of rounds; the median counts', '3')
  .addOption(
    new Option('--over <transport>', 'operations, connections: the transport to measure')
      .choices([...transports, 'both'])
      .default('both'),
  )
  .option('--only <operation>', 'operations, aws: the only operation to measure, by its name in the output')
  .option(
    '--profile <folder>',
    'operations, aws, scale (of a start): write a CPU profile of the daemon to this folder',
  )
  .option('--keys <n>', 'scale: number of keys', '10000')
  .option('--records <n>', 'audit: number of records; 10000000 for the long run', '300000')
  .option(
    '--compare <file>',
    'compare the figures with those of an earlier run, whose --json output is in this file',
  )
  .option('--minutes <n>', 'soak: duration in minutes; 60 for the long run', '10')
  .option('--svg <file>', 'curve: write a chart to this file')
  .option('--json', 'print one JSON object per line')
  .parse();
const options = program.opts<Options>();
const time = Number(options.seconds) * 1000;
const rounds = Number(options.rounds);
const keys = Number(options.keys);
const records = Number(options.records);
const minutes = Number(options.minutes);
if (!(time > 0) || !(rounds >= 1) || !(keys >= 10) || !(records >= 1) || !(minutes > 0))
  program.error(
    '--seconds and --minutes must be above 0, --rounds and --records at least 1, --keys at least 10.',
    { exitCode: 2 },
  );
try {
  const suite = suites[program.processedArgs[0] as string]!;
  const { only, profile, over, svg } = options;
  const chosen = over === 'both' ? transports : [over];
  // Read before the run, so that a wrong file is reported at once.
  const earlier = options.compare === undefined ? undefined : readRows(options.compare);
  const rows = await suite({ time, rounds, keys, records, minutes, only, profile, svg, over: chosen });
  process.stdout.write(options.json ? asJson(rows) : asTable(rows));
  // With --json standard output has only the rows.
  if (earlier) (options.json ? process.stderr : process.stdout).write(`\n${comparison(earlier, rows)}`);
} catch (error) {
  if (error instanceof UsageError) program.error(error.message, { exitCode: 2 });
  if (error instanceof ChildEnded) program.error(`npm run bench: ${error.message}`, { exitCode: 1 });
  throw error;
}
