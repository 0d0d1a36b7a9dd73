// Distributes jobs to workers: batches without a timer, deadlines, one retry.
import { HsmError } from '../key-store.js';
import type { JobKind } from '../jobs/job.js';
import { type AnyJob, type JobName, jobs, jobsByCode } from '../jobs/table.js';
import { StoreCounts } from '../statistics.js';
import type { KeyStoreConfig } from './config.js';
import { Fifo } from './fifo.js';
import { Job } from './job.js';
import { knows, NewKeys } from './new-keys.js';
import {
  defaultPatience,
  hangsAfter,
  longestStep,
  maxHold,
  probeAfter,
  refreshShare,
  sweepEvery,
} from './times.js';
import type { Loss, WorkerEvents, WorkerProcess } from './worker-process.js';

type QueuedJob = Job<WorkerProcess>;

/** The workers of one key store, and the queue of their jobs. */
export class Pool implements WorkerEvents {
  /** The logged-in workers, and the one that is starting. */
  readonly workers: WorkerProcess[] = [];
  /** Measured duration of each kind of job in microseconds, by code. */
  readonly costs = Float64Array.from(jobsByCode, (job) => job.cost);
  readonly counts = new StoreCounts(jobsByCode.map(({ name }) => name));

  readonly #queue = new Fifo<QueuedJob>();
  /** Jobs that share a worker with no other job: not repeatable, writing, or suspect. */
  #aloneJobs: QueuedJob[] = [];
  #flushing = false;
  #drained: (() => void) | undefined;
  /** Why jobs are refused, if they are. */
  #refusal: HsmError | undefined;

  /** The worker that does all jobs that write. */
  #writer: WorkerProcess | undefined;
  readonly #newKeys = new NewKeys();
  readonly #beingDestroyed = new Set<string>();

  #nextRefresh = 0;

  /** Deadlines in milliseconds that replace those of the job table. */
  readonly #deadlines: Partial<Record<JobName, number>>;

  #sweptAt = performance.now();
  /** The pool's clock in milliseconds. It does not advance while the daemon is paused. */
  #now = 0;
  #lastReady = 0;
  readonly #sweeper = setInterval(() => this.#sweep(), sweepEvery).unref();

  /** @param lost is called for each worker that ended */
  constructor(
    private readonly config: KeyStoreConfig,
    private readonly lost: (worker: WorkerProcess, loss: Loss, unanswered: number) => void,
  ) {
    this.#deadlines = { ...config.deadlines };
  }

  /**
   * Queues a job.
   * @param convert makes the promise's value from the result
   * @throws HsmError 'overloaded' if the queue is full, the error of {@link refuse}, or that of the job
   */
  submit<Arguments extends object, Result extends object, T>(
    kind: JobKind<Arguments, Result> & AnyJob,
    values: Arguments,
    convert: (result: Result, worker: WorkerProcess) => T,
  ): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#refusal !== undefined) throw this.#refusal;
      if (this.queued >= (this.config.maxQueued ?? 4096))
        throw new HsmError(
          'overloaded',
          `Key store "${this.config.name}" has too many waiting jobs; try again later.`,
        );
      const answered = (parts: readonly Buffer[], worker: WorkerProcess) =>
        resolve(convert(kind.result.decode(parts), worker));
      const job = new Job<WorkerProcess>(kind, kind.arguments.encode(values), this.#now, answered, reject);
      if (kind.repeatable && !kind.writes) this.#queue.push(job);
      else this.#aloneJobs.push(job);
      this.#scheduleFlush();
    });
  }

  /** Gives a job to a given worker, after its other jobs. */
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

  /** The pool's clock in milliseconds, which deadlines and waits are measured with. */
  get time(): number {
    return this.#now + Math.min(performance.now() - this.#sweptAt, longestStep);
  }

  /** Whether there are logged-in workers and every one of them is stuck in a call. */
  get hangs(): boolean {
    const { ready } = this;
    return ready.length > 0 && ready.every((worker) => worker.stuckFor(this.#now) > hangsAfter);
  }

  /** A worker has logged in and read the token's objects. @param knownKeys value of {@link keysMade} when its start began */
  workerReady(worker: WorkerProcess, knownKeys: number): void {
    worker.ready = true;
    worker.knownKeys = knownKeys;
    this.#scheduleFlush();
  }

  /** Sets the deadline of starts, unless the configuration has one. @param deadline milliseconds */
  limitStart(deadline: number): void {
    this.#deadlines.start = this.config.deadlines?.start ?? deadline;
  }

  /** The logged-in workers. One that is starting may hang in the module, so nobody waits for it. */
  get ready(): WorkerProcess[] {
    return this.workers.filter((worker) => worker.ready);
  }

  /** Number of logged-in workers. */
  get readyWorkers(): number {
    return this.workers.reduce((count, worker) => count + (worker.ready ? 1 : 0), 0);
  }

  /** Jobs that wait for a worker. */
  get queued(): number {
    return this.#queue.length + this.#aloneJobs.length;
  }

  /** Number of keys that this pool created. A worker that starts now finds all of them. */
  get keysMade(): number {
    return this.#newKeys.made;
  }

  /** A key was created: other workers get its jobs only if its maker has no room, until they know the key. */
  keyMade(id: Buffer, maker: WorkerProcess): void {
    this.#newKeys.add(id, maker);
  }

  /** Refuses all jobs, including those that wait. @param error undefined: accepts jobs again */
  refuse(error: HsmError | undefined): void {
    this.#refusal = error;
    if (error) for (const job of [...this.#queue.drain(), ...this.#aloneJobs.splice(0)]) job.reject(error);
  }

  /** Runs some work during which no job that uses a key starts. @param id CKA_ID of the key */
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

  /** Refuses new jobs; resolves when all others are answered. */
  async drain(refusal: HsmError): Promise<void> {
    this.#refusal = refusal;
    if (this.readyWorkers === 0) this.refuse(refusal);
    if (!this.#isIdle()) await new Promise<void>((resolve) => (this.#drained = resolve));
    clearInterval(this.#sweeper);
  }

  /** A worker answered some jobs. */
  onAnswers(): void {
    if (this.#queue.length > 0 || this.#aloneJobs.length > 0) this.#scheduleFlush();
    else if (this.#drained && this.#isIdle()) this.#drained();
  }

  /** A worker ended: its unanswered jobs run once more on another worker, or fail. */
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
        ? new HsmError('timeout', `The HSM did not answer ${job.kind.name} in time.`)
        : new HsmError('unavailable', `The HSM worker was lost (${loss.reason}); try again.`),
    );
  }

  // After all available input has been read, so that one batch carries everything that arrived together.
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

  /** The only worker, after a job that ran alone: jobs that can share it run before the next one that cannot. */
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
      return job?.kind.enumerates && this.#now - job.queuedAt < maxHold;
    });
  }

  #findWriter(): WorkerProcess | undefined {
    if (this.#writer === undefined || !this.workers.includes(this.#writer)) {
      this.#writer = this.#leastBusy();
      // It must see the writes of the previous writer before it writes.
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
      // Even if it is busy: a search takes longer than most jobs.
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

  // Starts, refreshes and probes do not count: nobody waits for them, and their deadlines are long.
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
    // After the answers in the channels have been read.
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
    // On a failure the worker is lost, or its next job fails.
    void this.submitTo(worker, jobs.probe, {}).catch(() => undefined);
  }

  #failOverdue(): void {
    const { name, maxWait = 5000, patience = defaultPatience } = this.config;
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
      ? new HsmError('unavailable', `No HSM worker of key store "${name}" is connected; try again later.`)
      : new HsmError('timeout', `No HSM worker of key store "${name}" was free in time; try again later.`);
    for (const job of overdue) job.reject(error);
    this.onAnswers();
  }

  // One worker at a time, and only an idle one: with 10,000 objects in SoftHSM this takes 220 ms.
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
    // On a failure the worker is lost, or it searches the token when it needs a key.
    const refreshed = () => {
      worker.knownKeys = newest;
      const end = performance.now();
      this.#nextRefresh = end + (end - start) / refreshShare;
    };
    this.submitTo(worker, jobs.refreshHandles, {}).then(refreshed, refreshed);
  }
}
