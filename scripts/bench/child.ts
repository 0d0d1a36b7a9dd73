// Runs programs of the benchmark, baselines and clients, in separate processes.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { basename } from 'node:path';
import { script } from './keyhold.js';

/** A process of the benchmark ended early. */
export class ChildEnded extends Error {}

/**
 * Starts a program and waits for its first message.
 * @param name path below scripts/bench, without extension
 * @returns the process, and its first message
 * @throws ChildEnded if the process ends first
 */
export async function startChild(
  name: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
  execArgv: string[] = [],
): Promise<{ readonly child: ChildProcess; readonly said: unknown }> {
  const child = fork(script(name), args, { env, execArgv });
  return { child, said: await nextMessage(child) };
}

/** Sends a request and waits for the answer. @throws ChildEnded if the process ends instead */
export async function ask<Answer>(child: ChildProcess, request: object): Promise<Answer> {
  child.send(request);
  return (await nextMessage(child)) as Answer;
}

/** Waits for the next message of a process. @throws ChildEnded if the process ends instead */
export async function nextMessage(child: ChildProcess): Promise<unknown> {
  const over = new AbortController();
  try {
    return await Promise.race([
      once(child, 'message', over).then(([message]) => message as unknown),
      once(child, 'exit', over).then(([code]) => {
        const name = child.spawnargs
          .slice(1)
          .map((each) => basename(each))
          .join(' ');
        throw new ChildEnded(`${name} ended with exit code ${code}; see its output.`);
      }),
    ]);
  } finally {
    over.abort();
  }
}
