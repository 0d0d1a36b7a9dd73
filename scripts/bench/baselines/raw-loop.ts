import type { ChildProcess } from 'node:child_process';
import { ask, startChild } from '../child.js';
import { cpuSeconds, type Keyhold } from '../keyhold.js';
import type { RawOperation, RawRequest } from './raw.js';

/** Plain PKCS#11 loops on the token of a Keyhold, each in a separate process. */
export class RawLoops {
  private constructor(private readonly children: readonly ChildProcess[]) {}

  /** Starts the processes. @param label CKA_LABEL of the key @param processes number of processes */
  static async start(
    keyhold: Keyhold,
    operation: RawOperation,
    label: string,
    processes: number,
  ): Promise<RawLoops> {
    const started = Array.from({ length: processes }, () =>
      startChild('baselines/raw', [operation, label], keyhold.env),
    );
    return new RawLoops((await Promise.all(started)).map(({ child }) => child));
  }

  /** Runs all loops at once. @returns operations per second, summed over the processes */
  async throughput(milliseconds: number): Promise<number> {
    const request: RawRequest = { milliseconds };
    const rates = await Promise.all(this.children.map((child) => ask<number>(child, request)));
    return rates.reduce((sum, rate) => sum + rate, 0);
  }

  /** CPU time of all processes so far, in seconds. */
  cpu(): number {
    return this.children.reduce((sum, { pid }) => sum + cpuSeconds(pid!), 0);
  }

  stop(): void {
    for (const child of this.children) child.kill();
  }
}
