// One worker process in the pool: the jobs it has, how long they should take, and how it ends.
import { spawn, type ChildProcess } from 'node:child_process';
import type { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { HsmError } from '../key-store.js';
import {
  ChannelError,
  FrameReader,
  FrameWriter,
  sessionLostStatus,
  errorCodes,
  forEachMessage,
} from '../frames.js';
import type { KeyStoreConfig } from './config.js';
import { Fifo } from './fifo.js';
import type { Job } from './job.js';

const workerProgram = fileURLToPath(new URL('../worker/main.js', import.meta.url));

/** Most jobs in one frame, and most that a worker may have at a time: one frame in work, one waiting. */
const frameJobs = 64;
const mostJobs = 2 * frameJobs;
/**
 * The same in microseconds of expected work. With a fast module the numbers above count first; with a device that takes
 * a millisecond for an operation these spread the jobs over all workers.
 */
const mostFrameWork = 700;
const mostWork = 2 * mostFrameWork;
const endWithin = 2000;
/** Weight of a new measurement in the expected cost of a kind: 1/16. */
const smoothing = 16;

export interface Loss {
  readonly reason: string;
  /** It was killed because its oldest job passed its deadline. */
  readonly timedOut: boolean;
}

export interface WorkerEvents {
  /** Milliseconds; stands still while the daemon does. */
  readonly time: number;
  /** After some jobs were answered. */
  onAnswers(): void;
  /** Once; what it had not answered is still in inFlight. */
  onLost(worker: WorkerProcess, loss: Loss): void;
}

export class WorkerProcess {
  readonly inFlight = new Fifo<Job<WorkerProcess>>();
  /** Logged in. */
  ready = false;
  /** It runs a job alone. */
  alone = false;
  /** It gets no more jobs, so that one can run alone. */
  reserved = false;
  /** Its last job ran alone. */
  wasAlone = false;
  /** Number of the newest key of the pool whose handle it knows. */
  knownKeys = 0;

  readonly #child: ChildProcess;
  readonly #channel: Socket;
  readonly #reader = new FrameReader();
  #writer: FrameWriter | undefined;
  readonly #spareWriters: FrameWriter[] = [];
  #nextId = 0;
  #answeredId = 0;
  #expectedWork = 0;
  #frameWork = 0;
  #headSince = 0;
  #lost = false;
  #farewell: string | undefined;

  /** @param costs microseconds of each kind, by code; the workers of a store share and update them */
  constructor(
    config: KeyStoreConfig,
    private readonly costs: Float64Array,
    private readonly events: WorkerEvents,
  ) {
    const { HOME, LANG, PATH } = process.env;
    // SoftHSM frees more pieces of one size in each operation than the 7 that glibc keeps at hand: a sixth of the CPU.
    const GLIBC_TUNABLES = 'glibc.malloc.tcache_count=127';
    // Memory of a worker holds PINs and plaintexts: no core dumps. The shell is gone when node runs.
    this.#child = spawn(
      '/bin/sh',
      ['-c', 'ulimit -c 0; exec "$0" "$@"', process.execPath, workerProgram, String(process.pid)],
      {
        stdio: ['ignore', 'ignore', 'inherit', 'pipe'],
        env: { HOME, LANG, PATH, GLIBC_TUNABLES, ...config.env },
      },
    );
    this.#child.on('error', (error) => this.#lose({ reason: error.message, timedOut: false }));
    // Without a file descriptor left there are no streams, whatever the types say; the error follows as an event.
    const streams = this.#child.stdio as ChildProcess['stdio'] | undefined;
    if (!streams?.[3]) {
      this.#lost = true;
      throw new Error('there is no file descriptor left for it');
    }
    this.#channel = streams[3] as Socket;
    this.#channel.on('data', (chunk: Buffer) => this.#received(chunk));
    // The end of the process, which is awaited, says the same.
    this.#channel.on('error', () => undefined);
    this.#channel.on('close', () => this.#child.kill('SIGKILL'));
    // 'close' comes when the process has ended and all that it wrote has been read.
    this.#child.on('close', (code, signal) =>
      this.#lose({ reason: this.#farewell ?? `it ended with ${signal ?? `code ${code}`}`, timedOut: false }),
    );
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Microseconds that what it has in flight should take. */
  get work(): number {
    return this.#expectedWork;
  }

  hasRoom(): boolean {
    const jobs = this.inFlight.length;
    return (
      this.ready &&
      !this.alone &&
      !this.reserved &&
      (jobs === 0 || (jobs < mostJobs && this.#expectedWork < mostWork))
    );
  }

  /** Adds a job to the frame that {@link send} sends. */
  give(job: Job<WorkerProcess>): void {
    if (this.inFlight.length === 0) this.#headSince = this.events.time;
    job.expected = this.costs[job.kind.code] ?? 0;
    this.#expectedWork += job.expected;
    this.inFlight.push(job);
    this.#nextId = (this.#nextId + 1) >>> 0;
    this.#writer ??= this.#spareWriters.pop() ?? new FrameWriter();
    this.#writer.add(this.#nextId, job.kind.code, 0, job.parts);
    this.#frameWork += job.expected;
    if (this.#writer.count === frameJobs || this.#frameWork >= mostFrameWork) this.send();
  }

  send(): void {
    const writer = this.#writer;
    if (writer === undefined) return;
    this.#writer = undefined;
    this.#frameWork = 0;
    const frame = writer.take();
    this.#channel.write(frame, () => {
      frame.fill(0);
      this.#spareWriters.push(writer);
    });
  }

  /** Milliseconds for which its oldest job waits for an answer, where that should be there at once. @param now as time */
  stuckFor(now: number): number {
    const job = this.inFlight.peek();
    return job === undefined || job.kind.slow || job.kind.enumerates ? 0 : now - this.#headSince;
  }

  /** Milliseconds for which it had nothing to do; 0 while it has. @param now as time */
  idleFor(now: number): number {
    return this.ready && this.inFlight.length === 0 ? now - this.#headSince : 0;
  }

  /** Kills it where its oldest job is past its deadline. @param now milliseconds, as {@link WorkerEvents.time} */
  checkDeadline(now: number, deadlines: KeyStoreConfig['deadlines']): void {
    const job = this.inFlight.peek();
    if (job === undefined) return;
    const deadline = deadlines?.[job.kind.name] ?? job.kind.deadline;
    if (now - this.#headSince > deadline)
      this.kill({ reason: `no answer to ${job.kind.name} in ${deadline} ms`, timedOut: true });
  }

  /** Kills it and counts it as lost at once: a process that hangs in a driver may not even die of SIGKILL. */
  kill(loss: Loss): void {
    this.#child.kill('SIGKILL');
    this.#channel.destroy();
    this.#lose(loss);
  }

  /** Closes the channel, on which the worker logs out and ends; kills it where that takes too long. */
  async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), endWithin);
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#channel.end();
    await ended;
    clearTimeout(timer);
  }

  #lose(loss: Loss): void {
    if (this.#lost) return;
    this.#lost = true;
    this.events.onLost(this, loss);
  }

  #received(chunk: Buffer): void {
    try {
      this.#reader.push(chunk, (frame) => forEachMessage(frame, this.#answered));
    } catch (error) {
      if (!(error instanceof ChannelError)) throw error;
      this.kill({ reason: `its channel is out of step: ${error.message}`, timedOut: false });
      return;
    }
    this.#headSince = this.events.time;
    if (this.inFlight.length === 0) {
      this.alone = false;
      this.#expectedWork = 0;
    }
    this.events.onAnswers();
  }

  readonly #answered = (id: number, status: number, microseconds: number, parts: Buffer[]): void => {
    if (status === sessionLostStatus) {
      this.#farewell = parts[0]?.toString('utf8') ?? '';
      return;
    }
    const job = this.inFlight.shift();
    this.#answeredId = (this.#answeredId + 1) >>> 0;
    if (job === undefined || id !== this.#answeredId)
      throw new ChannelError(`answer ${id} comes out of turn`);
    this.#expectedWork -= job.expected;
    const cost = this.costs[job.kind.code] ?? 0;
    this.costs[job.kind.code] = cost + (microseconds - cost) / smoothing;
    if (status === 0) job.answer(parts, this);
    else job.reject(new HsmError(errorCodes[status - 1] ?? 'internal', parts[0]?.toString('utf8') ?? ''));
  };
}
