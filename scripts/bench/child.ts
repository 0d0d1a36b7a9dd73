// Programs of the benchmark in processes of their own: references and clients.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { script } from './keyhold.js';

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

/** Sends a request and waits for the answer. @throws Error where the process ends instead */
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
        throw new Error(`A process of the benchmark ended with exit code ${code}.`);
      }),
    ]);
  } finally {
    over.abort();
  }
}
