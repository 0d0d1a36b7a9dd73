import { execFile } from 'node:child_process';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ConfigError, inHome } from './load.js';
import type { Profile } from './profile.js';
import type { PinSource, TokenConfig } from './schema.js';

/**
 * Reads a PIN from its source.
 * @param home absolute path, for a relative path of a file
 * @returns the PIN in UTF-8, which the caller wipes
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

/**
 * Reads the PIN in the form that the module's login expects. The profile may put a user name before it; with a protected
 * authentication path there is none.
 * @param read reads the PIN itself
 * @returns UTF-8 bytes, which the caller wipes
 * @throws ConfigError
 */
export async function loginPin(
  { login, name }: Pick<Profile, 'login' | 'name'>,
  { user }: Pick<TokenConfig, 'user'>,
  read: () => Promise<Buffer>,
): Promise<Buffer> {
  if (login.protectedPath) return Buffer.alloc(0);
  const before = login.pin.slice(0, -'${pin}'.length);
  if (before.includes('${user}') !== (user !== undefined)) {
    throw new ConfigError(
      user === undefined
        ? `keyhold.yaml has no 'user' for the token: a login to ${name} needs one.`
        : `keyhold.yaml names a 'user' for the token: remove it, as a login to ${name} has none.`,
    );
  }
  const pin = await read();
  const whole = Buffer.concat([Buffer.from(before.replace('${user}', () => user ?? '')), pin]);
  pin.fill(0);
  return whole;
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
  const path =
    source.credential === undefined ? inHome(home, source.file ?? '') : credentialPath(source.credential);
  try {
    const file = await open(path);
    try {
      const { mode } = await file.stat();
      // systemd lets the service's user read a credential by an access list, whose mask is in the bits of the group.
      if ((mode & (source.credential === undefined ? 0o077 : 0o007)) !== 0)
        throw new ConfigError(
          `The PIN file ${path} must not be accessible to other users: run chmod 600 on it.`,
        );
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

/** @throws ConfigError where systemd passed no credentials */
function credentialPath(name: string): string {
  const folder = process.env.CREDENTIALS_DIRECTORY;
  if (folder) return join(folder, name);
  throw new ConfigError(
    `keyhold.yaml takes the PIN from the credential '${name}', and $CREDENTIALS_DIRECTORY is not set: the service has no LoadCredential=, ` +
      'or the program was started without systemd. Programs of the command line take it so: CREDENTIALS_DIRECTORY=FOLDER keyhold …',
  );
}
