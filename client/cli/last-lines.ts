// Keeps the last lines of a stream of text.
import { createInterface } from 'node:readline';

/** Reads a stream to its end. @returns its last lines, in order, without line feeds */
export async function lastLines(stream: NodeJS.ReadableStream, most: number): Promise<string[]> {
  // A ring: the oldest line is at `count % most`.
  const ring: string[] = [];
  let count = 0;
  for await (const line of createInterface({ input: stream, crlfDelay: Infinity }))
    ring[count++ % most] = line;
  const oldest = count > most ? count % most : 0;
  return [...ring.slice(oldest), ...ring.slice(0, oldest)];
}
