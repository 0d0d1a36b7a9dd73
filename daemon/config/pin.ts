import { execFile } from 'node:child_process';
import { open } from 'node:fs/promises';
import { promisify } from 'node:util';
import { ConfigError, inHome } from './load.js';
import type { PinSource } from './schema.js';

/**
 * Reads a PIN from its source.
 * @returns its UTF-8 bytes, which the caller wipes
 * @throws ConfigError that names the source, never its content
 */
export async function readPin(source: PinSource, home: string): Promise<Buffer> {
  const [bytes, where] = await readSource(source, home);
  const end = bytes.indexOf('\n');
  const pin = Buffer.from(bytes.subarray(0, end === -1 ? bytes.length : end));
  bytes.fill(0);
  if (pin.length === 0) throw new ConfigError(`The PIN source ${where} is empty.`);
  return pin;
}

async function readSource(source: PinSource, home: string): Promise<[Buffer, string]> {
  if (source.env !== undefined) return [Buffer.from(process.env[source.env] ?? ''), `$${source.env}`];
  if (source.command) {
    const [program = '', ...rest] = source.command;
    try {
      const { stdout } = await promisify(execFile)(program, rest, { encoding: 'buffer', timeout: 30_000 });
      return [stdout, program];
    } catch (error) {
      throw new ConfigError(
        `The PIN command ${program} failed (${String((error as { code?: unknown }).code)}).`,
      );
    }
  }
  const path = inHome(home, source.file ?? '');
  try {
    const file = await open(path);
    try {
      const { mode } = await file.stat();
      if ((mode & 0o077) !== 0)
        throw new ConfigError(`The PIN file ${path} must not be open to others: chmod 600 it.`);
      return [await file.readFile(), path];
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw new ConfigError(
      `The PIN file ${path} cannot be read (${(error as NodeJS.ErrnoException).code ?? ''}).`,
    );
  }
}
