// Throughput and latency by number of requests in flight, with a chart of both.
import { writeFileSync } from 'node:fs';
import type { Client } from '../../client/index.js';
import { type EchoClient, EchoServer } from './baselines/echo-client.js';
import { Keyhold } from './keyhold.js';
import { median, percentile, throughput, timed } from './load/load.js';
import { type Operation, operationsOn } from './report/operation-table.js';
import { RawLoops } from './baselines/raw-loop.js';
import type { Row } from './report/report.js';
import { type SuiteOptions, UsageError } from './suite.js';
import { type Chart, svgOf } from './report/svg.js';

const steps = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512];
const connections = 16;
const shares = { p50: 0.5, p90: 0.9, p99: 0.99, 'p99.9': 0.999 } as const;
const usual = 'encrypt-64';

/** Figures for one number of requests in flight. */
interface Point {
  readonly inFlight: number;
  readonly rate: number;
  readonly echo: number;
  readonly raw: number;
  readonly toRaw: number;
  readonly times: readonly number[];
}

/** Measures over the first chosen transport. @throws UsageError if `only` is not an operation of the suite operations */
export async function curveSuite(options: SuiteOptions): Promise<Row[]> {
  const over = options.over[0]!;
  const keyhold = await Keyhold.start(options.profile);
  const echo = await EchoServer.start(keyhold, over);
  const each = Array.from({ length: connections });
  const clients = await Promise.all(each.map(() => keyhold.connect(over)));
  const echoClients = await Promise.all(each.map(() => echo.connect()));
  const { only = usual } = options;
  const operation = (await operationsOn(clients[0]!)).find(({ name }) => name === only);
  try {
    if (!operation) throw new UsageError('--only takes an operation of the suite operations.');
    const raw = await RawLoops.start(keyhold, operation.raw, operation.label, operation.processes);
    const points: Point[] = [];
    try {
      for (const inFlight of steps)
        points.push(await pointAt(inFlight, operation, raw, clients, echoClients, options));
    } finally {
      raw.stop();
    }
    if (options.svg !== undefined) writeFileSync(options.svg, svgOf(charts(operation.name, over, points)));
    return points.flatMap((point) => rowsOf(operation.name, point));
  } finally {
    for (const client of echoClients) client.close();
    await Promise.all(clients.map((client) => client.close()));
    echo.stop();
    await keyhold.stop();
  }
}

async function pointAt(
  inFlight: number,
  operation: Operation,
  raw: RawLoops,
  clients: readonly Client[],
  echoClients: readonly EchoClient[],
  { time, rounds }: SuiteOptions,
): Promise<Point> {
  const used = Math.min(inFlight, connections);
  const calls = clients.slice(0, used).map((client) => operation.call(client));
  const echoCalls = echoClients.slice(0, used).map((client) => client.call(operation.frame));
  const seen: Record<'rate' | 'echo' | 'raw', number[]> = { rate: [], echo: [], raw: [] };
  const times: number[] = [];
  await throughput(calls, inFlight / used, time / 4);
  for (let round = 0; round < rounds; round++) {
    seen.raw.push(await raw.throughput(time / 2));
    const { rate, microseconds } = await timed(calls, inFlight / used, time);
    seen.rate.push(rate);
    for (const each of microseconds) times.push(each);
    seen.echo.push(await throughput(echoCalls, inFlight / used, time / 2));
  }
  return {
    inFlight,
    rate: median(seen.rate),
    echo: median(seen.echo),
    raw: median(seen.raw),
    toRaw: median(seen.rate.map((rate, round) => rate / seen.raw[round]!)),
    times,
  };
}

function rowsOf(name: string, { inFlight, rate, echo, raw, toRaw, times }: Point): Row[] {
  const row = (rowName: string, value: number, unit: Row['unit']): Row => {
    return { name: rowName, value, unit, ratio_to_raw: null };
  };
  return [
    { ...row(`curve-${name}-${inFlight}`, rate, 'op/s'), ratio_to_raw: toRaw, ratio_to_echo: rate / echo },
    row(`curve-raw-${name}-${inFlight}`, raw, 'op/s'),
    row(`curve-ws-echo-${name}-${inFlight}`, echo, 'op/s'),
    ...Object.entries(shares)
      .filter(([, share]) => isKnown(times, share))
      .map(([percentileName, share]) =>
        row(`curve-${name}-${inFlight}-${percentileName}`, percentile(times, share), 'us'),
      ),
  ];
}

/** Whether there are enough values for a percentile. @param share 0 to 1 */
function isKnown(times: readonly number[], share: number): boolean {
  return times.length * (1 - share) >= 1;
}

function charts(name: string, over: string, points: readonly Point[]): Chart[] {
  const xLabel = 'requests in flight';
  const line = (value: (point: Point) => number, shown = points) =>
    shown.map((point) => [point.inFlight, value(point)] as const);
  const plain = median(points.map(({ raw }) => raw));
  return [
    {
      title: `Throughput: ${name} over ${over}`,
      xLabel,
      yLabel: 'operations a second',
      series: [
        { name: 'Keyhold', points: line(({ rate }) => rate) },
        { name: 'WebSocket echo', points: line(({ echo }) => echo) },
        { name: 'plain PKCS#11 loop', points: line(() => plain), isDashed: true },
      ],
    },
    {
      title: `Latency: ${name} over ${over}`,
      xLabel,
      yLabel: 'microseconds',
      series: Object.entries(shares).map(([percentileName, share]) => {
        const shown = points.filter(({ times }) => isKnown(times, share));
        return { name: percentileName, points: line(({ times }) => percentile(times, share), shown) };
      }),
    },
  ];
}
