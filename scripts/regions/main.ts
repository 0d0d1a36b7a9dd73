// scripts/start-regions: two linked Regions in the foreground.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { ensureLinked } from './ceremony.js';
import { Region } from './region.js';

const names = ['us-east-1', 'eu-central-1'] as const;
const folder = process.env.KEYHOLD_HOME ?? '';
const firstPort = Number(process.env.KEYHOLD_PORT ?? 7443);

const interrupt = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => interrupt.abort());

const regions: Region[] = [];
const interrupted = new Promise<void>((resolve) =>
  interrupt.signal.addEventListener('abort', () => resolve()),
);

/** Starts, links, and waits until a daemon ends. @throws Error */
async function run(): Promise<never> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  for (const [at, name] of names.entries()) {
    if (interrupt.signal.aborted) break;
    const port = firstPort === 0 ? 0 : firstPort + at;
    const region = await Region.start(name, join(folder, name), port);
    regions.push(region);
    await region.ready((line) => console.log(`${name}: ${line}`));
  }
  const [one, other] = regions as [Region, Region];
  await ensureLinked(one, other, folder, interrupt.signal);
  for (const { name, home } of regions) console.log(`${name}: . ${join(home, 'env')}`);
  console.log('ready');
  await Promise.race(regions.map(({ ended }) => ended));
  throw new Error('A daemon ended, so the other one is stopped too.');
}

try {
  await Promise.race([run(), interrupted]);
} catch (error) {
  if (!interrupt.signal.aborted) {
    console.error(`keyhold: ${(error as Error).message}`);
    process.exitCode = 1;
  }
}
await Promise.all(regions.map((region) => region.stop()));
