// The position of a sink in the log, kept across restarts.
import { readdir, readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { makeFolder, replaceFile } from '../../files/replace-file.js';
import { AuditError } from '../audit-log.js';

const position = z.strictObject({
  /** Number of the log's file. */
  file: z.int().positive(),
  /** Number of bytes of that file that are done. */
  offset: z.int().nonnegative(),
  /** Sequence number of the last record that is done; 0 if none. */
  sequence: z.int().nonnegative(),
});

/** A position between two records of the log. */
export type Position = Readonly<z.output<typeof position>>;

/** The start of the log. */
export const beginning: Position = { file: 1, offset: 0, sequence: 0 };

/**
 * Reads the saved position.
 * @returns the beginning of the log if there is none
 * @throws AuditError if the file is malformed
 */
export async function loadPosition(path: string): Promise<Position> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return beginning;
    throw error;
  }
  try {
    return position.parse(JSON.parse(text));
  } catch (error) {
    throw new AuditError(
      `${path} is not a position file: remove it, and the sink sends the whole log again.`,
      {
        cause: error,
      },
    );
  }
}

/** Saves a position durably and atomically. */
export async function savePosition(path: string, position: Position): Promise<void> {
  await makeFolder(dirname(path));
  await replaceFile(path, `${JSON.stringify(position)}\n`);
}

/** Deletes the positions of sinks that are beyond a record, so that these sinks start again at the first record. */
export async function dropPositionsBeyond(folder: string, sequence: number): Promise<void> {
  let names: string[];
  try {
    names = await readdir(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  for (const path of names.filter((name) => name.endsWith('.json')).map((name) => join(folder, name))) {
    const isBeyond = await loadPosition(path).then(
      (kept) => kept.sequence > sequence || sequence === 0,
      () => false,
    );
    if (isBeyond) await rm(path);
  }
}
