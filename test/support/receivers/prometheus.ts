// Debian's Prometheus, scraping the metrics of a daemon.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../free-port.js';

/** A series with its newest value, as the HTTP API answers an instant query. */
export interface Result {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [number, string];
}

/** Runs promtool. @returns its output @throws Error if it finds a fault */
export function promtool(args: readonly string[], input?: string): string {
  return execFileSync('promtool', args, { input, encoding: 'utf8', stdio: ['pipe', 'pipe', 'pipe'] });
}

/** A Prometheus that scrapes one daemon each second. */
export class TestPrometheus {
  private constructor(
    private readonly url: string,
    private readonly child: ChildProcess,
  ) {}

  /**
   * Starts it.
   * @param folder folder for its data
   * @param target `host:port` of the daemon's metrics
   * @param rules path of a file of rules
   */
  static async start(folder: string, target: string, rules: string): Promise<TestPrometheus> {
    mkdirSync(folder);
    const config = join(folder, 'prometheus.yml');
    writeFileSync(
      config,
      JSON.stringify({
        global: { scrape_interval: '1s', evaluation_interval: '1s' },
        rule_files: [rules],
        scrape_configs: [{ job_name: 'keyhold', static_configs: [{ targets: [target] }] }],
      }),
    );
    promtool(['check', 'config', config]);
    const address = `127.0.0.1:${await freePort()}`;
    const child = spawn(
      'prometheus',
      [
        `--config.file=${config}`,
        `--storage.tsdb.path=${join(folder, 'data')}`,
        `--web.listen-address=${address}`,
      ],
      { stdio: 'ignore' },
    );
    const prometheus = new TestPrometheus(`http://${address}`, child);
    while (
      !(await fetch(`${prometheus.url}/-/ready`).then(
        ({ ok }) => ok,
        () => false,
      ))
    ) {
      if (child.exitCode !== null) throw new Error(`prometheus ended with ${child.exitCode}`);
      await sleep(100);
    }
    return prometheus;
  }

  /** Evaluates an expression now. @throws Error if it is invalid */
  async query(expression: string): Promise<readonly Result[]> {
    return (await this.#get<{ result: Result[] }>('query', { query: expression })).result;
  }

  /** Every rule, with the health of its evaluation and whether it fires. */
  async rules(): Promise<readonly { name: string; health: string; lastError?: string; state: string }[]> {
    const { groups } = await this.#get<{
      groups: { rules: { name: string; health: string; state: string }[] }[];
    }>('rules', {});
    return groups.flatMap(({ rules }) => rules);
  }

  async stop(): Promise<void> {
    if (this.child.exitCode !== null) return;
    this.child.kill('SIGKILL');
    await once(this.child, 'close');
  }

  async #get<T>(path: string, parameters: Record<string, string>): Promise<T> {
    const response = await fetch(`${this.url}/api/v1/${path}?${new URLSearchParams(parameters).toString()}`);
    const answer = (await response.json()) as { status: string; error?: string; data: T };
    if (answer.status !== 'success') throw new Error(`${JSON.stringify(parameters)}: ${answer.error}`);
    return answer.data;
  }
}
