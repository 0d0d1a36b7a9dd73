// Jobs to workers: batches without a timer, deadlines, one retry.
import { HsmError } from '../key-store.js';
import type { JobKind } from '../jobs/job.js';
import { type AnyJob, type JobName, jobs, jobsByCode } from '../jobs/table.js';
import type { KeyStoreConfig } from './config.js';
import { Fifo } from './fifo.js';
import { Job } from './job.js';
import { knows, NewKeys } from './new-keys.js';
import type { Loss, WorkerEvents, WorkerProcess } from './worker-process.js';

const sweepEvery = 100;
/**
 * Milliseconds that count between two sweeps at most. What is more the daemon itself stood still (SIGSTOP, a paused
 * virtual machine, a blocked event loop), and no worker can be blamed for it.
 */
const longestStep = 2 * sweepEvery;
/** Milliseconds without work after which a worker is asked whether it still answers. */
const probeAfter = 1_000;
/** Milliseconds after which a call of a fast job counts as hanging, for the health report. */
const hangsAfter = 2_000;
/**
 * Milliseconds for which jobs that write wait for one that reads the whole token. While one process writes, SoftHSM
 * 2.6.1 lists the token's folder anew at each attribute that another reads (OSToken::index): with 10,000 objects and
 * keys made all the time a worker did not get ready within 60 s.
 */
const mostHeld = 5_000;
/**
 * Milliseconds that a job waits for its turn, also where workers come and go. With its deadline once it has begun, that is
 * less than the 30 s that clients wait. Jobs that write wait as long as the slowest of them takes.
 */
const mostWaiting = 15_000;
/** Maximum fraction of time spent refreshing handles. */
const refreshShare = 1 / 10;

type QueuedJob = Job<WorkerProcess>;

export class Pool implements WorkerEvents {
  /** Logged-in workers and one that starts. */
  readonly workers: WorkerProcess[] = [];
  /** Microseconds of each kind, by code, as measured. */
  readonly costs = Float64Array.from(jobsByCode, (job) => job.cost);

  readonly #queue = new Fifo<QueuedJob>();
  /** Jobs that share a worker with no other: not repeatable, writing, or suspect. */
  #aloneJobs: QueuedJob[] = [];
  #flushing = false;
  #drained: (() => void) | undefined;
  /** Why no job is taken. */
  #refusal: HsmError | undefined;

  /** The worker that does all jobs that write. */
  #writer: WorkerProcess | undefined;
  readonly #newKeys = new NewKeys();
  readonly #beingDestroyed = new Set<string>();

  #nextRefresh = 0;

  /** Milliseconds, in place of those of the table. */
  readonly #deadlines: Partial<Record<JobName, number>>;

  #sweptAt = performance.now();
  /** Milliseconds for which the pool could look after its workers; stands still while the daemon does. */
  #now = 0;
  #lastReady = 0;
  readonly #sweeper = setInterval(() => this.#sweep(), sweepEvery).unref();

  /** @param lost hears of each worker that ended */
  constructor(
    private readonly config: KeyStoreConfig,
    private readonly lost: (worker: WorkerProcess, loss: Loss, unanswered: number) => void,
  ) {
    this.#deadlines = { ...config.deadlines };
  }

  /**
   * Queues a job.
   * @param convert makes the promise's value of the result
   * @throws HsmError
   */
  submit<Arguments extends object, Result extends object, T>(
    kind: JobKind<Arguments, Result> & AnyJob,
    values: Arguments,
    convert: (result: Result, worker: WorkerProcess) => T,
  ): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#refusal !== undefined) throw this.#refusal;
      if (this.#queue.length + this.#aloneJobs.length >= (this.config.maxQueued ?? 4096))
        throw new HsmError(
          'overloaded',
          `Key store "${this.config.name}" has too many jobs waiting; try again.`,
        );
      const answered = (parts: readonly Buffer[], worker: WorkerProcess) =>
        resolve(convert(kind.result.decode(parts), worker));
      const job = new Job<WorkerProcess>(kind, kind.arguments.encode(values), this.#now, answered, reject);
      if (kind.repeatable && !kind.writes) this.#queue.push(job);
      else this.#aloneJobs.push(job);
      this.#scheduleFlush();
    });
  }

  /** Gives a job to a certain worker, behind its other jobs. */
  submitTo<Arguments extends object, Result extends object>(
    worker: WorkerProcess,
    kind: JobKind<Arguments, Result> & AnyJob,
    values: Arguments,
  ): Promise<Result> {
    return new Promise((resolve, reject) => {
      const answered = (parts: readonly Buffer[]) => resolve(kind.result.decode(parts));
      worker.give(new Job<WorkerProcess>(kind, kind.arguments.encode(values), this.#now, answered, reject));
      worker.send();
    });
  }

  /** Milliseconds of watched time; deadlines and waits are measured in it. */
  get time(): number {
    return this.#now + Math.min(performance.now() - this.#sweptAt, longestStep);
  }

  /** Whether workers are logged in and every one of them is stuck in a call. */
  get hangs(): boolean {
    const { ready } = this;
    return ready.length > 0 && ready.every((worker) => worker.stuckFor(this.#now) > hangsAfter);
  }

  /** A worker has logged in and read the token's objects. @param knownKeys the value of keysMade when its start began */
  isReady(worker: WorkerProcess, knownKeys: number): void {
    worker.ready = true;
    worker.knownKeys = knownKeys;
    this.#scheduleFlush();
  }

  /** @param deadline milliseconds that workers have to start, where the configuration says nothing else */
  limitStart(deadline: number): void {
    this.#deadlines.start = this.config.deadlines?.start ?? deadline;
  }

  /** Workers that are logged in. One that starts may hang in the module: nobody waits for it. */
  get ready(): WorkerProcess[] {
    return this.workers.filter((worker) => worker.ready);
  }

  get readyWorkers(): number {
    return this.workers.reduce((count, worker) => count + (worker.ready ? 1 : 0), 0);
  }

  /** Number of keys that this pool made. A worker that starts now finds all of them. */
  get keysMade(): number {
    return this.#newKeys.made;
  }

  /** A key was made: until the other workers know it, they get its jobs only where its maker has no room. */
  keyMade(id: Buffer, maker: WorkerProcess): void {
    this.#newKeys.add(id, maker);
  }

  /** Refuses all jobs, also those that wait; undefined takes jobs again. */
  refuse(error: HsmError | undefined): void {
    this.#refusal = error;
    if (error) for (const job of [...this.#queue.drain(), ...this.#aloneJobs.splice(0)]) job.reject(error);
  }

  /** No job that uses this key starts until the promise that comes back settles. */
  async whileBeingDestroyed(id: Buffer, work: () => Promise<void>): Promise<void> {
    const name = id.toString('latin1');
    this.#beingDestroyed.add(name);
    try {
      await work();
    } finally {
      this.#beingDestroyed.delete(name);
      this.#newKeys.delete(name);
    }
  }

  /** Takes no more jobs; resolves when all are answered. */
  async drain(refusal: HsmError): Promise<void> {
    this.#refusal = refusal;
    if (this.readyWorkers === 0) this.refuse(refusal);
    if (!this.#isIdle()) await new Promise<void>((resolve) => (this.#drained = resolve));
    clearInterval(this.#sweeper);
  }

  onAnswers(): void {
    if (this.#queue.length > 0 || this.#aloneJobs.length > 0) this.#scheduleFlush();
    else if (this.#drained && this.#isIdle()) this.#drained();
  }

  onLost(worker: WorkerProcess, loss: Loss): void {
    this.workers.splice(this.workers.indexOf(worker), 1);
    this.#newKeys.deleteOf(worker);
    const unanswered = worker.inFlight.drain();
    unanswered.forEach((job, position) => this.#unanswered(job, loss, position === 0));
    this.lost(worker, loss, unanswered.length);
    this.onAnswers();
  }

  #unanswered(job: QueuedJob, loss: Loss, oldest: boolean): void {
    if (job.kind.repeatable && !job.suspect) {
      job.suspect = true;
      this.#aloneJobs.push(job);
      return;
    }
    if (job.suspect)
      this.config.onEvent?.({
        type: 'job-abandoned',
        kind: job.kind.name,
        ids: job.keys().map((key) => Buffer.from(key, 'latin1').toString('hex')),
        reason: loss.reason,
      });
    job.reject(
      loss.timedOut && oldest
        ? new HsmError('timeout', `The HSM gave no answer to ${job.kind.name} in time.`)
        : new HsmError('unavailable', `The HSM worker was lost (${loss.reason}); try again.`),
    );
  }

  // After all input that is there has been read, so that a batch holds what came with it.
  #scheduleFlush(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    setImmediate(this.#flush);
  }

  readonly #flush = (): void => {
    this.#flushing = false;
    this.#giveAloneJobs();
    let worker: WorkerProcess | undefined;
    while (this.#queue.length > 0) {
      if (!worker?.hasRoom()) worker = this.#busiestWithRoom();
      if (worker === undefined) break;
      const job = this.#queue.shift()!;
      if (this.#newKeys.size + this.#beingDestroyed.size === 0) worker.give(job);
      else this.#giveByKey(job, worker);
    }
    for (const each of this.workers) each.send();
    if (this.#drained && this.#isIdle()) this.#drained();
  };

  #giveAloneJobs(): void {
    for (const worker of this.workers) worker.reserved = false;
    if (this.#aloneJobs.length === 0) return;
    const waiting: QueuedJob[] = [];
    const held = this.#isEnumerating();
    const sharing = this.#sharing();
    for (const job of this.#aloneJobs) {
      if (job.kind.writes && held) {
        waiting.push(job);
        continue;
      }
      const worker = job.kind.writes ? this.#findWriter() : this.#leastBusy();
      if (worker === undefined || worker === sharing || worker.inFlight.length > 0) {
        waiting.push(job);
        if (worker && worker !== sharing) worker.reserved = true;
      } else if (this.#usesDestroyed(job)) {
        job.rejectDestroyed();
      } else {
        worker.give(job);
        worker.alone = worker.wasAlone = true;
      }
    }
    this.#aloneJobs = waiting;
  }

  /** The only worker, after a job that ran alone: jobs that share a worker run before the next one that does not. */
  #sharing(): WorkerProcess | undefined {
    const [only, ...others] = this.ready;
    if (!only?.wasAlone || others.length > 0 || this.#queue.length === 0 || only.inFlight.length > 0)
      return undefined;
    only.wasAlone = false;
    return only;
  }

  #isEnumerating(): boolean {
    return this.workers.some(({ inFlight }) => {
      const job = inFlight.peek();
      return job?.kind.enumerates && this.#now - job.queuedAt < mostHeld;
    });
  }

  #findWriter(): WorkerProcess | undefined {
    if (this.#writer === undefined || !this.workers.includes(this.#writer)) {
      this.#writer = this.#leastBusy();
      // It must see what the writer before it wrote, before it writes itself.
      if (this.#writer) this.#refreshHandles(this.#writer);
    }
    return this.#writer;
  }

  #usesDestroyed(job: QueuedJob): boolean {
    return this.#beingDestroyed.size > 0 && job.keys().some((key) => this.#beingDestroyed.has(key));
  }

  #giveByKey(job: QueuedJob, worker: WorkerProcess): void {
    if (this.#usesDestroyed(job)) {
      job.rejectDestroyed();
      return;
    }
    const key = this.#newKeys.find(job.keys());
    if (key && !knows(worker, key)) {
      // Even if it is busy: a search takes longer than most of what it may be at.
      const knowing = this.workers.find(
        (one) => knows(one, key) && !one.reserved && !one.inFlight.peek()?.kind.slow,
      );
      (knowing ?? worker).give(job);
    } else worker.give(job);
  }

  #busiestWithRoom(): WorkerProcess | undefined {
    let busiest: WorkerProcess | undefined;
    for (const worker of this.workers)
      if (worker.hasRoom() && (busiest === undefined || worker.work > busiest.work)) busiest = worker;
    return busiest;
  }

  #leastBusy(): WorkerProcess | undefined {
    let least: WorkerProcess | undefined;
    for (const worker of this.workers)
      if (worker.ready && !worker.alone && (least === undefined || worker.work < least.work)) least = worker;
    return least;
  }

  // Nobody waits for a start, a refresh of handles or a probe, which have long deadlines.
  #isIdle(): boolean {
    return (
      this.#queue.length + this.#aloneJobs.length === 0 &&
      this.workers.every((worker) => {
        const kind = worker.inFlight.peek()?.kind;
        return kind === undefined || kind.enumerates || kind === jobs.probe;
      })
    );
  }

  #sweep(): void {
    const now = performance.now();
    this.#now += Math.min(now - this.#sweptAt, longestStep);
    this.#sweptAt = now;
    // After the answers that wait in the channels were read.
    setImmediate(() => this.#checkDeadlines());
    if (this.#newKeys.size > 0 && now > this.#nextRefresh) this.#refreshOneWorker();
    if (this.#aloneJobs.length > 0) this.#scheduleFlush();
  }

  #checkDeadlines(): void {
    for (const worker of [...this.workers]) worker.checkDeadline(this.#now, this.#deadlines);
    for (const worker of this.workers) if (worker.idleFor(this.#now) > probeAfter) this.#probe(worker);
    if (this.readyWorkers > 0) this.#lastReady = this.#now;
    this.#failOverdue();
  }

  /** Finds a worker that hangs while it has no jobs. */
  #probe(worker: WorkerProcess): void {
    // After a failure the worker is lost, or its next job fails.
    void this.submitTo(worker, jobs.probe, {}).catch(() => undefined);
  }

  #failOverdue(): void {
    const { name, maxWait = 5000, patience = mostWaiting } = this.config;
    const absent = this.readyWorkers === 0;
    const isOverdue = ({ kind, queuedAt }: QueuedJob): boolean =>
      this.#now - queuedAt > (kind.writes ? jobs.generateKeyPair.deadline : patience) ||
      (absent && this.#now - Math.max(queuedAt, this.#lastReady) > maxWait);
    const overdue = this.#aloneJobs.filter(isOverdue);
    if (overdue.length > 0) this.#aloneJobs = this.#aloneJobs.filter((job) => !isOverdue(job));
    for (let job = this.#queue.peek(); job && isOverdue(job); job = this.#queue.peek())
      overdue.push(this.#queue.shift()!);
    if (overdue.length === 0) return;
    const error = absent
      ? new HsmError('unavailable', `No HSM worker of key store "${name}" is connected now.`)
      : new HsmError('timeout', `No HSM worker of key store "${name}" was free in time.`);
    for (const job of overdue) job.reject(error);
    this.onAnswers();
  }

  // One at a time and only idle ones: with 10,000 objects in SoftHSM it takes 220 ms.
  #refreshOneWorker(): void {
    this.#newKeys.deleteKnownTo(this.workers);
    if (this.#queue.length > 0 || this.workers.some((worker) => worker.inFlight.peek()?.kind.enumerates))
      return;
    const outdated = this.workers.find(
      (worker) => worker.ready && worker.inFlight.length === 0 && this.#newKeys.areUnknownTo(worker),
    );
    if (outdated) this.#refreshHandles(outdated);
  }

  #refreshHandles(worker: WorkerProcess): void {
    const newest = this.#newKeys.made;
    const start = performance.now();
    // After a failure the worker is lost, or searches the token when it needs a key.
    const refreshed = () => {
      worker.knownKeys = newest;
      const end = performance.now();
      this.#nextRefresh = end + (end - start) / refreshShare;
    };
    this.submitTo(worker, jobs.refreshHandles, {}).then(refreshed, refreshed);
  }
}
