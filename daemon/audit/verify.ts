// Verifies an audit log: its records must form one chain, and the signatures of its checkpoints must be valid.
import { type KeyObject, verify } from 'node:crypto';
import { AuditError } from './audit-log.js';
import {
  fileName,
  genesis,
  isJson,
  type ChainHead,
  maxLineLength,
  parseStart,
  recordHash,
  recordPrefix,
} from './chain.js';
import {
  type Checkpoint,
  checkpointMark,
  checkpointMessage,
  checkpointReach,
  isCheckpoint,
  parseCheckpoint,
} from './checkpoint.js';
import { diagnose, type Fault, type FaultKind, type Place } from './faults.js';
import { type ArchivedFile, archivedFilesIn } from './archive/archived-files.js';
import { type Line, listArchives, listFiles, readLines } from './lines.js';

export type { Fault, FaultKind } from './faults.js';

/** What to verify, and against what. */
export interface VerifyOptions {
  /** The directory with the log's files. */
  readonly directory: string;
  /** The checkpoints' key (ECDSA P-256), from a source that nobody who can change the log can change. */
  readonly publicKey: KeyObject;
  /** The log must have a checkpoint that names this record or a later one. */
  readonly expectCheckpoint?: number;
  /**
   * The head that a running daemon reported before this call; the log must contain it. As the daemon continues writing, an
   * incomplete last line after it is no fault.
   */
  readonly expectHead?: ChainHead;
  /** Folder of archived files, which are read too. */
  readonly archives?: string | undefined;
  /** Called now and then with the number of records verified so far, and of all, if it is known. */
  readonly onProgress?: (records: number, total: number | undefined) => void;
}

/** The result of a verification. */
export interface VerifyReport {
  /** The first fault, if there is one. */
  readonly fault: Fault | undefined;
  readonly files: number;
  /** Sequence number of the first record that was read; greater than 1 if earlier ones were archived. */
  readonly firstRecord: number;
  /** Number of records up to the fault. */
  readonly records: number;
  /** Number of checkpoints among them. */
  readonly checkpoints: number;
  /** Sequence number of the newest record that a checkpoint names; 0 if none. Records up to it are authenticated. */
  readonly newestCheckpoint: number;
  /** Number of records after that one. They are only chained, so anyone who can write the file could have made them. */
  readonly chainedOnly: number;
  /** Whether a truncation would have been detected. */
  readonly truncationChecked: boolean;
  /** The last record up to the fault. */
  readonly head: ChainHead;
}

/**
 * Reads the log once, in constant memory, up to the first fault. Synchronous, for admin programs only.
 * @throws AuditError if there is no log; Error of node:fs if it cannot be read
 */
export function verifyLog(options: VerifyOptions): VerifyReport {
  return new Verification(options).run();
}

const hashLength = 32;
/** Lines between two calls of `onProgress`. */
const progressEvery = 1_000;

class Verification {
  #head: ChainHead = genesis;
  #place: Place = { file: fileName(1), number: 0 };
  #checkpoints = 0;
  /** The key that the valid checkpoints name. */
  #keyId: string | undefined;
  #newestCheckpoint = 0;
  /** The hashes of the last `checkpointReach` records, by sequence number modulo that; read only where written. */
  readonly #hashes = Buffer.allocUnsafe(checkpointReach * hashLength);

  /** The record before the first one that is there, if files were taken away. */
  #begin: (ChainHead & { readonly file: string }) | undefined;
  /** Files that records say were archived, and which records. */
  readonly #archived: { readonly at: number; readonly file: ArchivedFile }[] = [];

  /** A copy of the last record's line. */
  #lastLine: Buffer | undefined;
  readonly #lineBuffer = Buffer.allocUnsafe(maxLineLength);

  constructor(private readonly options: VerifyOptions) {}

  run(): VerifyReport {
    const { directory, expectCheckpoint, expectHead } = this.options;
    const { archives } = this.options;
    const archived = archives === undefined ? [] : listArchives(archives);
    const all = [...new Set([...listFiles(directory), ...archived])].sort((a, b) => a - b);
    if (all.length === 0 && !expectCheckpoint && !expectHead) {
      throw new AuditError(`There is no audit log in ${directory}.`);
    }
    const missing = all.findIndex((number, index) => number !== all[0]! + index);
    const numbers = missing < 0 ? all : all.slice(0, missing);
    this.#beginBehindArchives(numbers);
    const lines = readLines(directory, numbers, archives);
    let fault: Fault | undefined;
    try {
      fault = this.#readAll(lines, numbers.at(-1) ?? 0);
    } finally {
      lines.return(undefined);
    }
    if (!fault && missing >= 0) {
      const file = fileName(all[0]! + missing);
      fault = this.#fault('removed', `${file} is missing, although later files exist`, {
        file,
        number: 0,
      });
    }
    fault ??= this.#checkBeginning() ?? this.#checkEnd();
    const begun = this.#begin?.sequence ?? 0;
    return {
      fault,
      files: all.length,
      firstRecord: begun + 1,
      records: this.#head.sequence - begun,
      checkpoints: this.#checkpoints,
      newestCheckpoint: this.#newestCheckpoint,
      chainedOnly: this.#head.sequence - Math.max(this.#newestCheckpoint, begun),
      truncationChecked: expectCheckpoint !== undefined || expectHead !== undefined,
      head: this.#head,
    };
  }

  /** A log whose first files are not there begins with a record whose predecessor is taken as it says, until a record vouches for it. */
  #beginBehindArchives(numbers: readonly number[]): void {
    const [first = 1] = numbers;
    if (first === 1) return;
    for (const { bytes } of readLines(this.options.directory, [first], this.options.archives)) {
      const start = parseStart(bytes);
      if (!start || start.sequence === 1) return;
      this.#head = { sequence: start.sequence - 1, hash: start.previous };
      this.#begin = { ...this.#head, file: fileName(first) };
      this.#noteHash(this.#head);
      return;
    }
  }

  /** Files before the first one may be missing only if a signed record says that they were archived. */
  #checkBeginning(): Fault | undefined {
    const begin = this.#begin;
    if (!begin) return undefined;
    const isRecorded = this.#archived.some(
      ({ at, file: { lastSequence, lastHash } }) =>
        lastSequence === begin.sequence && lastHash === begin.hash && at <= this.#newestCheckpoint,
    );
    if (isRecorded) return undefined;
    return {
      kind: 'removed',
      sequence: 1,
      file: begin.file,
      line: 0,
      reason: `records 1 to ${begin.sequence} are missing, and no signed record says that they were archived`,
    };
  }

  #readAll(lines: Generator<Line, void>, lastFile: number): Fault | undefined {
    const { expectHead, onProgress } = this.options;
    const begun = this.#head.sequence;
    const total = expectHead && expectHead.sequence - begun;
    for (let next = lines.next(); !next.done; next = lines.next()) {
      const line = next.value;
      if (onProgress && line.number % progressEvery === 0) onProgress(this.#head.sequence - begun, total);
      const fault = line.complete ? this.#readRecord(line, lines) : this.#readTorn(line, lastFile);
      if (fault) return fault;
    }
    return undefined;
  }

  #readRecord(line: Line, following: Iterator<Line, void>): Fault | undefined {
    const [head, place] = [this.#head, this.#place];
    const { bytes } = line;
    const sequence = head.sequence + 1;
    const prefix = recordPrefix(sequence, head.hash);
    const start = bytes.toString('latin1', 0, prefix.length + checkpointMark.length);
    if (!start.startsWith(prefix))
      return diagnose(head, place, line, (bytes) => this.#isForeign(bytes), following);
    this.#place = { file: line.file, number: line.number };
    if (bytes.length > maxLineLength)
      return this.#fault('changed', `record ${sequence} is longer than any record`);
    const hash = recordHash(bytes);
    const { expectHead } = this.options;
    if (sequence === expectHead?.sequence && hash !== expectHead.hash) {
      return this.#fault('changed', `the daemon has another record ${sequence} than the log`);
    }
    if (start.endsWith(checkpointMark)) {
      const fault = this.#readCheckpoint(bytes);
      // Another instance's key has another ID. Otherwise the next record shows whether this one was changed afterwards.
      const isOther = fault?.kind === 'foreign-checkpoint' && this.#isOfOtherKey(bytes);
      if (fault) return isOther ? fault : (this.#changedAfterwards(hash, following) ?? fault);
    }
    for (const file of archivedFilesIn(bytes)) this.#archived.push({ at: sequence, file });
    this.#lastLine = this.#lineBuffer.subarray(0, bytes.copy(this.#lineBuffer));
    this.#head = { sequence, hash };
    this.#noteHash(this.#head);
    return undefined;
  }

  #noteHash({ sequence, hash }: ChainHead): void {
    this.#hashes.write(hash, (sequence % checkpointReach) * hashLength, 'hex');
  }

  #readCheckpoint(line: Buffer): Fault | undefined {
    const at = this.#head.sequence + 1;
    const checkpoint = parseCheckpoint(line);
    if (!checkpoint) return this.#fault('foreign-checkpoint', `the checkpoint in record ${at} is malformed`);
    const { sequence, hash, keyId } = checkpoint;
    if (!this.#isSigned(checkpoint)) {
      return this.#fault(
        'foreign-checkpoint',
        `the signature of the checkpoint in record ${at} (key ${keyId}) is not valid for this public key`,
      );
    }
    if (sequence >= at) {
      return this.#fault(
        'removed',
        `the checkpoint in record ${at} was signed for record ${sequence}, which no longer comes before it: ` +
          `records after ${this.#newestCheckpoint} were removed, and the rest was chained again`,
      );
    }
    if (at - sequence > checkpointReach) {
      return this.#fault(
        'foreign-checkpoint',
        `the checkpoint in record ${at} names record ${sequence}, too far back`,
      );
    }
    // It was signed for a record that was archived, and there is nothing to compare it with.
    if (sequence < (this.#begin?.sequence ?? 0)) return undefined;
    const offset = (sequence % checkpointReach) * hashLength;
    if (this.#hashes.toString('hex', offset, offset + hashLength) !== hash) {
      return this.#fault(
        'changed',
        `record ${sequence} is not the one that the checkpoint in record ${at} was signed for: ` +
          `records after ${this.#newestCheckpoint} were rewritten`,
      );
    }
    this.#keyId = keyId;
    this.#checkpoints += 1;
    this.#newestCheckpoint = Math.max(this.#newestCheckpoint, sequence);
    return undefined;
  }

  #isSigned(checkpoint: Checkpoint): boolean {
    const signature = Buffer.from(checkpoint.signature, 'base64');
    return verify('sha256', checkpointMessage(checkpoint), this.options.publicKey, signature);
  }

  #isOfOtherKey(line: Buffer): boolean {
    const checkpoint = parseCheckpoint(line);
    return checkpoint !== undefined && this.#keyId !== undefined && checkpoint.keyId !== this.#keyId;
  }

  #isForeign(line: Buffer): boolean {
    const start = parseStart(line);
    if (!start || !isCheckpoint(line, start.membersAt)) return false;
    const checkpoint = parseCheckpoint(line);
    return checkpoint !== undefined && !this.#isSigned(checkpoint);
  }

  #readTorn(line: Line, lastFile: number): Fault | undefined {
    this.#place = { file: line.file, number: line.number };
    if (line.file !== fileName(lastFile)) {
      return this.#fault('truncated', 'the file ends within a record, although a later file exists');
    }
    if (this.#containsExpectedHead()) return undefined;
    return this.#fault(
      'truncated',
      'the last line is not complete: after a crash the daemon cuts it off at its next start, and records that',
    );
  }

  #checkEnd(): Fault | undefined {
    // No later record covers the last one, so only that could be chained correctly without being JSON.
    if (this.#lastLine && !isJson(this.#lastLine)) {
      const { sequence } = this.#head;
      return { ...this.#fault('changed', `record ${sequence}, the last one, is not JSON`), sequence };
    }
    const { expectCheckpoint, expectHead } = this.options;
    if (expectHead && !this.#containsExpectedHead()) {
      return this.#fault('truncated', `the daemon has written ${expectHead.sequence} records`);
    }
    if (expectCheckpoint !== undefined && this.#newestCheckpoint < expectCheckpoint) {
      return this.#fault(
        'truncated',
        `a checkpoint of record ${expectCheckpoint} or a later one was expected, the newest is of record ${this.#newestCheckpoint}`,
      );
    }
    return undefined;
  }

  /** Whether the log has the daemon's head; its hash was compared when it was read. */
  #containsExpectedHead(): boolean {
    const { expectHead } = this.options;
    return expectHead !== undefined && this.#head.sequence >= expectHead.sequence;
  }

  /** Whether the next record contains another hash: then the checkpoint was changed afterwards and is not foreign. */
  #changedAfterwards(hash: string, following: Iterator<Line, void>): Fault | undefined {
    const next = following.next().value;
    const sequence = this.#head.sequence + 1;
    if (!next || parseStart(next.bytes)?.previous === hash) return undefined;
    return this.#fault('changed', `the record after it gives another hash for record ${sequence}`);
  }

  #fault(kind: FaultKind, reason: string, place: Place = this.#place): Fault {
    return { kind, sequence: this.#head.sequence + 1, file: place.file, line: place.number, reason };
  }
}
