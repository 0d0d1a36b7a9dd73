// One worker process of the pool: its jobs in flight, their expected duration, and its end.
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
import type { StoreCounts } from '../statistics.js';
import type { KeyStoreConfig } from './config.js';
import { Fifo } from './fifo.js';
import type { Job } from './job.js';

const workerProgram = fileURLToPath(new URL('../worker/main.js', import.meta.url));

/** Maximum number of jobs in one frame, and of a worker: one frame in progress, one waiting. */
const maxFrameJobs = 64;
const maxJobs = 2 * maxFrameJobs;
/**
 * The same limits in microseconds of expected work. With a fast module the numbers above are reached first; with a device
 * that needs a millisecond for an operation these limits spread the jobs over all workers.
 */
const maxFrameWork = 700;
const maxWork = 2 * maxFrameWork;
/** Milliseconds for a worker to exit after its channel was closed. */
const endWithin = 2000;
/** A new measurement has a weight of 1/16 in the expected duration of a kind of job. */
const smoothing = 16;

/** Why a worker ended. */
export interface Loss {
  readonly reason: string;
  /** Whether it was killed because its oldest job missed its deadline. */
  readonly timedOut: boolean;
}

/** The pool, as its workers see it. */
export interface WorkerEvents {
  /** Clock in milliseconds that does not advance while the daemon is paused. */
  readonly time: number;
  readonly counts: StoreCounts;
  /** Some jobs were answered. */
  onAnswers(): void;
  /** The worker ended; called once. Its unanswered jobs are still in `inFlight`. */
  onLost(worker: WorkerProcess, loss: Loss): void;
}

/** A worker process, its channel and its jobs. */
export class WorkerProcess {
  readonly inFlight = new Fifo<Job<WorkerProcess>>();
  /** Whether the worker is logged in. */
  ready = false;
  /** Whether it runs a job that shares it with no other. */
  alone = false;
  /** Whether it gets no more jobs, so that one can run alone. */
  reserved = false;
  /** Whether its last job ran alone. */
  wasAlone = false;
  /** Number of the pool's newest key whose handle the worker knows. */
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

  /** @param costs expected microseconds of each kind of job, by code; the workers of a store share and update them */
  constructor(
    config: KeyStoreConfig,
    private readonly costs: Float64Array,
    private readonly events: WorkerEvents,
  ) {
    const { HOME, LANG, PATH } = process.env;
    // In each operation SoftHSM frees more blocks of one size than the 7 that glibc caches by default: this saves a sixth of
    // the CPU.
    const GLIBC_TUNABLES = 'glibc.malloc.tcache_count=127';
    // No core dumps: a worker's memory contains PINs and plaintexts. `exec` replaces the shell by node.
    this.#child = spawn(
      '/bin/sh',
      ['-c', 'ulimit -c 0; exec "$0" "$@"', process.execPath, workerProgram, String(process.pid)],
      {
        stdio: ['ignore', 'ignore', 'inherit', 'pipe'],
        env: { HOME, LANG, PATH, GLIBC_TUNABLES, ...config.env },
      },
    );
    this.#child.on('error', (error) => this.#lose({ reason: error.message, timedOut: false }));
    // If no file descriptor is left there are no streams, whatever the types say; the error follows as an event.
    const streams = this.#child.stdio as ChildProcess['stdio'] | undefined;
    if (!streams?.[3]) {
      this.#lost = true;
      throw new Error('no file descriptor is left; raise the limit of open files');
    }
    this.#channel = streams[3] as Socket;
    this.#channel.on('data', (chunk: Buffer) => this.#received(chunk));
    // The exit of the process reports the same.
    this.#channel.on('error', () => undefined);
    this.#channel.on('close', () => this.#child.kill('SIGKILL'));
    // 'close' follows when the process has exited and all its output has been read.
    this.#child.on('close', (code, signal) =>
      this.#lose({ reason: this.#farewell ?? `it ended with ${signal ?? `code ${code}`}`, timedOut: false }),
    );
  }

  /** Process ID; 0 if the process could not be started. */
  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Expected duration of the jobs in flight, in microseconds. */
  get work(): number {
    return this.#expectedWork;
  }

  /** Whether the worker takes another job. */
  hasRoom(): boolean {
    const jobs = this.inFlight.length;
    return (
      this.ready &&
      !this.alone &&
      !this.reserved &&
      (jobs === 0 || (jobs < maxJobs && this.#expectedWork < maxWork))
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
    if (this.#writer.count === maxFrameJobs || this.#frameWork >= maxFrameWork) this.send();
  }

  /** Sends the frame that {@link give} has begun, if there is one. */
  send(): void {
    const writer = this.#writer;
    if (writer === undefined) return;
    this.#writer = undefined;
    this.#frameWork = 0;
    this.events.counts.batches.add(writer.count);
    const frame = writer.take();
    this.#channel.write(frame, () => {
      frame.fill(0);
      this.#spareWriters.push(writer);
    });
  }

  /** Milliseconds for which the oldest job has been in a call that should be quick; 0 otherwise. @param now pool's clock */
  stuckFor(now: number): number {
    const job = this.inFlight.peek();
    return job === undefined || job.kind.slow || job.kind.enumerates ? 0 : now - this.#headSince;
  }

  /** Milliseconds for which the worker has been idle; 0 while it is busy. @param now pool's clock */
  idleFor(now: number): number {
    return this.ready && this.inFlight.length === 0 ? now - this.#headSince : 0;
  }

  /** Kills the worker if its oldest job has missed its deadline. @param now pool's clock @param deadlines milliseconds */
  checkDeadline(now: number, deadlines: KeyStoreConfig['deadlines']): void {
    const job = this.inFlight.peek();
    if (job === undefined) return;
    const deadline = deadlines?.[job.kind.name] ?? job.kind.deadline;
    if (now - this.#headSince > deadline)
      this.kill({ reason: `no answer to ${job.kind.name} in ${deadline} ms`, timedOut: true });
  }

  /** Kills the worker and counts it as lost at once: a process that hangs in a driver may survive even SIGKILL. */
  kill(loss: Loss): void {
    this.#child.kill('SIGKILL');
    this.#channel.destroy();
    this.#lose(loss);
  }

  /** Closes the channel, so that the worker logs out and exits; kills it after 2 s. */
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
      this.kill({ reason: `it sent invalid data: ${error.message}`, timedOut: false });
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
    if (job === undefined || id !== this.#answeredId) throw new ChannelError(`answer ${id} is out of order`);
    this.#expectedWork -= job.expected;
    const cost = this.costs[job.kind.code] ?? 0;
    this.costs[job.kind.code] = cost + (microseconds - cost) / smoothing;
    const calls = this.events.counts.calls[job.kind.code]!;
    calls.durations.add(microseconds / 1e6);
    if (status === 0) {
      job.answer(parts, this);
      return;
    }
    const code = errorCodes[status - 1] ?? 'internal';
    calls.errors.add(code);
    job.reject(new HsmError(code, parts[0]?.toString('utf8') ?? ''));
  };
}
