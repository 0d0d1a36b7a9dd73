import { readFileSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { z } from 'zod';
import { parseYaml } from '../../proto/yaml.js';
import { type Profile, profileSchema } from './profile.js';
import { type Config, configSchema } from './schema.js';
import { homePaths } from '../files/home.js';

/** The configuration cannot be used. The message names file, line and key, and says what was expected. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';

  /** @param recorded the message for the audit log, without quotations from the file */
  constructor(
    message: string,
    readonly recorded = message,
  ) {
    super(message);
  }
}

/** Reads `keyhold.yaml` of a home. @param home absolute path @throws ConfigError */
export function loadConfig(home: string): Config {
  return readYaml(
    homePaths(home).configuration,
    configSchema,
    "run 'keyhold init' for a new home; otherwise restore the file from a backup",
  );
}

/** Path of hsm-config, the folder with the profiles and their set-up scripts. */
export const profileFolder = fileURLToPath(new URL('../../../hsm-config/', import.meta.url));

/**
 * Reads a profile and fills in `${home}`.
 * @param name name of a file in hsm-config without `.yaml`, or a path that ends in `.yaml`
 * @param home absolute path
 * @throws ConfigError
 */
export function loadProfile(name: string, home: string): Profile {
  const path = name.endsWith('.yaml') ? inHome(home, name) : join(profileFolder, `${name}.yaml`);
  const profile = readYaml(path, profileSchema, `there is no profile '${name}'`);
  const fill = (text: string) => text.replaceAll('${home}', home);
  const environment: Record<string, string> = {};
  for (const [key, value] of Object.entries(profile.environment)) environment[key] = fill(value);
  const files: Record<string, string> = {};
  for (const [file, text] of Object.entries(profile.files)) files[file] = fill(text);
  const parameters = profile.initialize?.libraryParameters;
  const initialize = profile.initialize && {
    ...profile.initialize,
    libraryParameters: parameters && fill(parameters),
  };
  return { ...profile, library: fill(profile.library), environment, files, initialize };
}

/** Resolves a path of the configuration, which is relative to the home. */
export function inHome(home: string, path: string): string {
  return isAbsolute(path) ? path : join(home, path);
}

/** Reasons why a file cannot be read, with advice, by error code. */
function reasons(ifMissing: string): Readonly<Record<string, string>> {
  return {
    ENOENT: `the file does not exist; ${ifMissing}`,
    EACCES: "the daemon's user may not read it (EACCES): make that user the owner, with mode 0600",
    EPERM: "the daemon's user may not read it (EPERM)",
    EISDIR: 'it is a folder, not a file',
    EIO: 'its disk fails (EIO)',
  };
}

function code(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? 'for an unknown reason';
}

function readYaml<Schema extends z.ZodType>(
  path: string,
  schema: Schema,
  ifMissing: string,
): z.output<Schema> {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new ConfigError(`${path} cannot be read: ${reasons(ifMissing)[code(error)] ?? code(error)}.`);
  }
  const parsed = parseYaml(text, schema);
  if ('data' in parsed) return parsed.data;
  if ('syntax' in parsed) {
    const { line, code, message } = parsed.syntax;
    throw new ConfigError(`${path}:${line}: ${message}`, `${path}:${line}: this is not YAML (${code})`);
  }
  const faults = parsed.faults.map(({ line, path: key, message }) => `${path}:${line}: '${key}': ${message}`);
  throw new ConfigError(faults.join('\n'));
}
