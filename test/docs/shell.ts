// A shell that runs blocks of commands one after another, like a reader's terminal.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Writable } from 'node:stream';

/** Reads names of files from descriptor 3 and runs each in this shell, until a command fails. */
const driver = `
shopt -s expand_aliases
set -eE -o pipefail
while read -r file <&3; do
  . "$file" 3<&- </dev/null
  echo done >&4
done
`;

/** Characters of a block's output that are kept: its end. A command that never stops printing would fill the memory. */
const mostOutput = 1_000_000;

/** The output of a block, standard output and standard error together. */
export interface Ran {
  readonly succeeded: boolean;
  readonly output: string;
}

export class Shell {
  readonly #child;
  readonly #done;
  #output = '';
  #count = 0;

  /** @param folder initial working directory */
  constructor(
    private readonly folder: string,
    env: NodeJS.ProcessEnv,
  ) {
    this.#child = spawn('bash', ['-c', driver], {
      cwd: folder,
      env,
      stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'pipe'],
    });
    for (const stream of [this.#child.stdout, this.#child.stderr])
      stream!.on('data', (data: Buffer) => {
        this.#output = (this.#output + data.toString()).slice(-mostOutput);
      });
    this.#done = createInterface({ input: this.#child.stdio[4] as NodeJS.ReadableStream });
  }

  /** Runs commands, which share variables, aliases and folder with earlier ones. A failure ends the shell. */
  async run(commands: string): Promise<Ran> {
    const file = join(this.folder, `.block-${this.#count++}`);
    writeFileSync(file, commands);
    this.#output = '';
    const finished = Promise.race([
      once(this.#done, 'line').then(() => true),
      once(this.#child, 'close').then(() => false),
    ]);
    (this.#child.stdio[3] as Writable).write(`${file}\n`);
    const succeeded = await finished;
    // The last output may arrive after the message that the block is done.
    await new Promise((resolve) => setTimeout(resolve, 50));
    return { succeeded, output: this.#output };
  }

  async end(): Promise<void> {
    (this.#child.stdio[3] as Writable).end();
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, 'close');
  }
}
