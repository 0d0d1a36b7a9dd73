// The worker process: reads frames of jobs from descriptor 3, executes them one after another, and writes the results. Its
// only argument is the daemon's process ID. It reads and writes the channel with blocking calls, so no event loop adds
// latency. When the channel closes, the worker logs out and exits.
import { readSync, writeSync } from 'node:fs';
import {
  FrameReader,
  FrameWriter,
  sessionLostStatus,
  countMessages,
  errorCodes,
  forEachMessage,
} from '../frames.js';
import type { JobKind } from '../jobs/job.js';
import type { TokenListing } from '../start-settings.js';
import { jobs, jobsByCode } from '../jobs/table.js';
import { HsmError } from '../key-store.js';
import { toHsmError } from '../pkcs11/return-values.js';
import { IvSource } from './ciphers/iv-source.js';
import { KeyObjects } from './objects.js';
import { WorkerSession } from './session.js';
import { closeToken, isSessionLost, listMechanisms, openToken, type Token } from './token.js';
import { restoreTokenFiles, TokenFiles } from '../pkcs11/token-files.js';
import { watchParent } from './watchdog.js';

const channelDescriptor = 3;
/** Reported as the CKA_CLASS of an object that cannot be read: CK_UNAVAILABLE_INFORMATION in 32 bits. */
const unreadable = 0xffffffff;
/** Maximum time in microseconds that a result waits for others of its frame. */
const holdResults = 1000;
const pause = new Int32Array(new SharedArrayBuffer(4));

// Ctrl-C signals the whole process group; the daemon then answers the jobs in flight and closes the channel.
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => undefined);
watchParent(Number(process.argv[2]));

const results = new FrameWriter();
/** Duration of the last job of each kind in microseconds, by code. */
const lastTook = Float64Array.from(jobsByCode, (job) => job.cost);
let token: Token | undefined;
let files: TokenFiles | undefined;
let ivs: IvSource | undefined;
let session: WorkerSession | undefined;

/** Executes the first job. @returns the parts of its result */
function start(parts: readonly Buffer[]): Buffer[] {
  const { settings, pin } = jobs.start.arguments.decode(parts);
  const notices = settings.tokenFiles && settings.describeToken ? restoreTokenFiles() : [];
  token = openToken(settings, pin);
  if (settings.tokenFiles) files = TokenFiles.of(token.slot);
  files?.loggedIn();
  ivs = new IvSource(token);
  const objects = new KeyObjects(token, settings.sessionCopies);
  const found = objects.refreshHandles();
  session = new WorkerSession(token, objects, ivs, settings.quirks);
  if (!settings.describeToken) return jobs.start.result.encode({ listing: null });
  // Objects that a crash left half-written, which the module does not show.
  const torn = Math.max(0, (files?.count ?? 0) - found.length);
  const listing: TokenListing = {
    objects: [
      ...found.map((object) => [object.class, object.id.toString('hex'), object.label] as const),
      ...Array.from({ length: torn }, () => [unreadable, '', ''] as const),
    ],
    mechanisms: listMechanisms(token, settings.quirks),
    notices,
  };
  return jobs.start.result.encode({ listing });
}

function execute(frame: Buffer): void {
  ivs?.beginFrame(countMessages(frame));
  let now = performance.now();
  let flushed = now;
  forEachMessage(frame, (id, code, _, parts) => {
    if (results.count > 0 && (now - flushed) * 1000 + (lastTook[code] ?? 0) > holdResults) {
      flush();
      flushed = now;
    }
    const began = now;
    const { status, answer } = perform(code, parts);
    now = performance.now();
    lastTook[code] = (now - began) * 1000;
    results.add(id, status, (now - began) * 1000, answer);
    for (const part of answer) part.fill(0);
    if (status === sessionLostStatus) {
      flush();
      process.exit(1);
    }
  });
  frame.fill(0);
  if (results.count > 0) flush();
}

function perform(code: number, parts: Buffer[]): { status: number; answer: readonly Buffer[] } {
  try {
    return { status: 0, answer: answerTo(jobsByCode[code], parts) };
  } catch (error) {
    const { code: reason, message } = toHsmError(error);
    const status = isSessionLost(error, token) ? sessionLostStatus : 1 + errorCodes.indexOf(reason);
    return { status, answer: [Buffer.from(message)] };
  }
}

/** Executes a job: first `start`, then any other. @returns the parts of its result */
function answerTo(job: JobKind | undefined, parts: readonly Buffer[]): readonly Buffer[] {
  if (job?.code === jobs.start.code && session === undefined) return start(parts);
  if (job === undefined || job.code === jobs.start.code || session === undefined)
    throw new HsmError('internal', `The HSM worker does not expect the job '${job?.name ?? 'unknown'}' now`);
  return job.writes && files ? writing(files, job, session, parts) : job.execute(session, parts);
}

/** Executes a job that writes to the token; its effect is durable before it is answered. */
function writing(
  files: TokenFiles,
  job: JobKind,
  session: WorkerSession,
  parts: readonly Buffer[],
): readonly Buffer[] {
  let answer: readonly Buffer[];
  try {
    answer = job.execute(session, parts);
  } catch (error) {
    throw files.explain(error);
  }
  files.sync();
  return answer;
}

function flush(): void {
  const frame = results.take();
  for (let sent = 0; sent < frame.length;)
    sent += retrying(() => writeSync(channelDescriptor, frame, sent, frame.length - sent));
  frame.fill(0);
}

function retrying(call: () => number): number {
  for (;;) {
    try {
      return call();
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      // The daemon is gone.
      if (code === 'EPIPE' || code === 'ECONNRESET') end();
      if (code !== 'EAGAIN' && code !== 'EINTR') throw error;
      Atomics.wait(pause, 0, 0, 1);
    }
  }
}

function end(): never {
  try {
    if (token) closeToken(token);
  } finally {
    process.exit(0);
  }
}

const reader = new FrameReader();
const input = Buffer.alloc(256 * 1024);
for (;;) {
  const length = retrying(() => readSync(channelDescriptor, input, 0, input.length, null));
  if (length === 0) end();
  reader.push(input.subarray(0, length), execute);
}
