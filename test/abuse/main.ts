// Sends thousands of malformed requests and reports the memory of the daemon. Usage: scripts/abuse --help
import { Argument, Command } from 'commander';
import { send } from '../support/aws/aws-request.js';
import { TestDaemon } from '../support/daemon.js';
import { type Figures, figuresOf, probeEnv, slope } from './figures.js';
import { Abuse } from './requests.js';

const program = new Command('scripts/abuse')
  .addArgument(new Argument('[requests]').default('100000'))
  .option('--at-once <n>', 'how many connections at the same time', '16')
  .parse();
const requests = Number(program.processedArgs[0]);
const atOnce = Number(program.opts<{ atOnce: string }>().atOnce);
if (!(requests >= 1000) || !(atOnce >= 1))
  program.error('It takes a number of requests from 1000, and --at-once one from 1.');

const phases = 10;
const megabyte = 1024 * 1024;
/** How much the heap may grow after the first tenth: compiled code, and caches. */
const heapGrowth = 8 * megabyte;
/** How much memory of past floods the allocator may keep. */
const residentGrowth = 150 * megabyte;

const daemon = await TestDaemon.initialise();
let status = 1;
try {
  daemon.configure('limits:\n  failedAuthentications: 1000000000');
  await daemon.start(probeEnv(daemon));
  await send(daemon);
  const before = await figuresOf(daemon, Infinity);
  print('before', before);
  const abuse = new Abuse(daemon);
  const points: { sent: number; held: Figures }[] = [];
  for (let phase = 1; phase <= phases; phase++) {
    await abuse.send((requests * phase) / phases, atOnce);
    const held = await figuresOf(daemon, before.descriptors);
    points.push({ sent: abuse.sent, held });
    print(`${abuse.sent} requests`, held);
  }
  const lastHalf = points.slice(phases / 2 - 1);
  const growth = (of: 'resident' | 'heap') =>
    ((slope(lastHalf.map(({ sent, held }) => [sent, held[of]] as const)) * 1000) / 1024).toFixed(2);
  const { status: served } = await send(daemon);
  const errors = (daemon.stdout + daemon.stderr).split('\n').filter((line) => /"level":[56]0/.test(line));
  process.stdout.write(
    `${JSON.stringify(abuse.counts)}\na good request: ${served}; errors in the log: ${errors.length}\n` +
      `resident memory grows by ${growth('resident')} KB per 1,000 requests over the last half, the heap by ${growth('heap')} KB\n`,
  );
  const [first, last] = [points[0]!.held, points.at(-1)!.held];
  const isFlat =
    last.heap < first.heap + heapGrowth &&
    last.resident < before.resident + residentGrowth &&
    last.descriptors <= before.descriptors + atOnce;
  if (!isFlat) process.stdout.write('The daemon holds more than it should.\n');
  status = isFlat && served === 200 && errors.length === 0 ? 0 : 1;
} finally {
  await daemon.remove();
}
process.exitCode = status;

function print(label: string, { resident, heap, external, descriptors }: Figures): void {
  const megabytes = (bytes: number) => `${(bytes / megabyte).toFixed(1)} MB`;
  process.stdout.write(
    `${label}: resident ${megabytes(resident)}, heap ${megabytes(heap)}, external ${megabytes(external)}, ${descriptors} descriptors\n`,
  );
}
