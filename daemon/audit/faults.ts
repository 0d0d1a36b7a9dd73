// Kinds of faults of an audit log, and how they are distinguished once the chain is broken.
import { type ChainHead, parseStart, recordHash } from './chain.js';
import type { Line } from './lines.js';

/**
 * The kinds of faults. E is the expected sequence number, P the hash of the previous record that its record should contain.
 * - `changed`: the record itself is not what was written. It does not begin as a record does; or the record after it,
 *   which is intact, gives another hash for it; or it is chained to P under another number than E; or a checkpoint
 *   with a valid signature names another hash for a record: then the chain was recomputed after the edit, and whether that
 *   was a change, an insertion or a reordering can no longer be determined.
 * - `removed`: a later record is where E should be, and E does not follow; or a checkpoint with a valid
 *   signature names a record that does not come before it (then the chain was recomputed after the removal); or a
 *   number is left out in the numbering of the files, which begins at 1.
 * - `inserted`: a line that is not the log's next record, and the next one follows it; or a second record under a
 *   number that has passed.
 * - `reordered`: a later record is where E should be, and E follows later.
 * - `truncated`: the log ends before a record that is known to have been in it (the head of a running daemon, an
 *   expected checkpoint), or a file ends within a line. At the log's end a crash leaves such a line too, and the daemon
 *   cuts it off at its next start.
 * - `foreign-checkpoint`: a checkpoint, chained or not, that another key signed, or none; or one that names a record too
 *   far behind it (`checkpointReach`).
 */
export type FaultKind = 'changed' | 'removed' | 'inserted' | 'reordered' | 'truncated' | 'foreign-checkpoint';

/** A fault and its position. */
export interface Fault {
  readonly kind: FaultKind;
  /** The record that is wrong or missing; up to it nothing contradicts the chain. */
  readonly sequence: number;
  readonly file: string;
  /** Line in that file, from 1; 0: the file as a whole. */
  readonly line: number;
  readonly reason: string;
}

/** The position of a line, which stays valid longer than its bytes. */
export interface Place {
  readonly file: string;
  readonly number: number;
}

/**
 * Classifies a line that is not the next record of the chain.
 * @param last the record before it, whose place is `lastPlace`
 * @param line the line; its bytes are read before the next one is
 * @param isForeign whether a line is a checkpoint that the log's key did not sign
 * @param following the lines after it; read as far as is needed, without keeping them
 */
export function diagnose(
  last: ChainHead,
  lastPlace: Place,
  line: Line,
  isForeign: (line: Buffer) => boolean,
  following: Iterator<Line, void>,
): Fault {
  const expected = last.sequence + 1;
  const start = parseStart(line.bytes);
  const place: Place = { file: line.file, number: line.number };
  const lineHash = recordHash(line.bytes);
  const foreign = isForeign(line.bytes);
  const nextBytes = following.next().value?.bytes;
  const next = nextBytes && parseStart(nextBytes);
  const nextFits = next?.sequence === expected && next.previous === last.hash;

  const here = (kind: FaultKind, reason: string): Fault => ({
    kind,
    sequence: expected,
    file: place.file,
    line: place.number,
    reason,
  });

  if (foreign) {
    return here(
      'foreign-checkpoint',
      `a checkpoint that another key signed is where record ${expected} should be`,
    );
  }
  if (!start) {
    return nextFits
      ? here('inserted', `a line that is not a record comes before record ${expected}`)
      : here('changed', `record ${expected} is no longer a record`);
  }
  if (nextBytes && nextFits) {
    const nextHash = recordHash(nextBytes);
    if (start.sequence <= expected) {
      return here('inserted', `a line numbered ${start.sequence} comes before record ${expected}`);
    }
    return start.previous === nextHash || !followsLater(following, start.sequence)
      ? here('reordered', `record ${start.sequence} comes before record ${expected}`)
      : here('inserted', `a copy of record ${start.sequence} comes before record ${expected}`);
  }
  if (start.sequence === expected) {
    const intact = next?.previous === lineHash;
    if (expected === 1 || (next && !intact)) {
      return here('changed', `record ${expected} does not give the hash of the record before it`);
    }
    const reason = intact
      ? `record ${expected} gives another hash for record ${last.sequence}`
      : `record ${expected} does not give the hash of record ${last.sequence}: one of the two was changed`;
    return { kind: 'changed', sequence: last.sequence, file: lastPlace.file, line: lastPlace.number, reason };
  }
  if (start.previous === last.hash || next?.sequence === expected + 1) {
    return here('changed', `record ${expected} has the number ${start.sequence}`);
  }
  if (start.sequence < expected) {
    return here('inserted', `a second record ${start.sequence} is where record ${expected} should be`);
  }
  if (next?.sequence === expected || followsLater(following, expected)) {
    return here('reordered', `record ${start.sequence} comes before record ${expected}`);
  }
  const gone =
    start.sequence - 1 > expected
      ? `records ${expected} to ${start.sequence - 1} are`
      : `record ${expected} is`;
  return here('removed', `${gone} missing`);
}

function followsLater(following: Iterator<Line, void>, sequence: number): boolean {
  for (let line = following.next(); !line.done; line = following.next()) {
    if (parseStart(line.value.bytes)?.sequence === sequence) return true;
  }
  return false;
}
