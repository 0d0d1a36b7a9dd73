// Programs of the benchmark in processes of their own: references and clients.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { basename } from 'node:path';
import { script } from './keyhold.js';

/** A process of the benchmark is gone, so there is nothing to compare with. */
export class ChildEnded extends Error {}

/** Starts one and waits until it says that it is ready. @returns it, and what it said */
export async function startChild(
  name: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
  execArgv: string[] = [],
): Promise<{ readonly child: ChildProcess; readonly said: unknown }> {
  const child = fork(script(name), args, { env, execArgv });
  return { child, said: await nextMessage(child) };
}

/** Sends a request and waits for the answer. @throws ChildEnded where the process ends instead */
export async function ask<Answer>(child: ChildProcess, request: object): Promise<Answer> {
  child.send(request);
  return (await nextMessage(child)) as Answer;
}

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
        throw new ChildEnded(`${name} ended with exit code ${code}; what it printed says why.`);
      }),
    ]);
  } finally {
    over.abort();
  }
}
