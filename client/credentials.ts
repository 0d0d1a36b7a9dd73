import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { ConnectionError } from './errors.js';

/** An access key, and the token of temporary credentials. */
export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

/** Returns credentials. It is called for each connection, so that they may change. */
export type CredentialsProvider = () => Promise<Credentials>;

/**
 * Credentials as AWS tools find them: the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN),
 * else the profile AWS_PROFILE (default `default`) of the file AWS_SHARED_CREDENTIALS_FILE (default
 * `~/.aws/credentials`).
 * @param env the environment; that of this process if not given
 * @throws ConnectionError NoCredentials where there are none, or the file cannot be read
 */
export async function defaultCredentials(env: NodeJS.ProcessEnv = process.env): Promise<Credentials> {
  const fromEnvironment = complete(env.AWS_ACCESS_KEY_ID, env.AWS_SECRET_ACCESS_KEY, env.AWS_SESSION_TOKEN);
  if (fromEnvironment) return fromEnvironment;
  const path = env.AWS_SHARED_CREDENTIALS_FILE || join(homedir(), '.aws', 'credentials');
  const profile = env.AWS_PROFILE || 'default';
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw missing(`The credentials file '${path}' cannot be read`, cause);
  });
  const section = parseProfiles(text).get(profile);
  const fromFile = complete(
    section?.get('aws_access_key_id'),
    section?.get('aws_secret_access_key'),
    section?.get('aws_session_token'),
  );
  if (!fromFile) throw missing(`The profile '${profile}' of '${path}' has no access key`);
  return fromFile;
}

function complete(accessKeyId?: string, secretAccessKey?: string, token?: string): Credentials | undefined {
  if (!accessKeyId || !secretAccessKey) return undefined;
  return { accessKeyId, secretAccessKey, sessionToken: token || undefined };
}

function missing(what: string, cause?: unknown): ConnectionError {
  const message = `${what}. Source the env file that the daemon wrote (. var/env), or set AWS_SHARED_CREDENTIALS_FILE and AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.`;
  return new ConnectionError('NoCredentials', message, { cause });
}

/** Reads the profiles of an AWS credentials file: `[name]`, `key = value`, and comment lines with # or ;. */
export function parseProfiles(text: string): Map<string, Map<string, string>> {
  const profiles = new Map<string, Map<string, string>>();
  let section = new Map<string, string>();
  for (const line of text.split(/\r?\n/)) {
    const name = /^\[([^\]]+)\]/.exec(line)?.[1]?.trim();
    if (name !== undefined) {
      section = profiles.get(name) ?? new Map<string, string>();
      profiles.set(name, section);
      continue;
    }
    const [, key, value] = /^([^\s#;=]+)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    if (key !== undefined && value !== undefined) section.set(key.toLowerCase(), value);
  }
  return profiles;
}

/**
 * Adds a profile to the text of a credentials file, or replaces the one of that name.
 * @returns the new text
 */
export function setProfile(
  text: string,
  profile: string,
  accessKeyId: string,
  secretAccessKey: string,
): string {
  const kept: string[] = [];
  let isReplaced = false;
  for (const line of text === '' ? [] : text.trimEnd().split(/\r?\n/)) {
    const name = /^\[([^\]]+)\]/.exec(line)?.[1]?.trim();
    if (name !== undefined) isReplaced = name === profile;
    if (!isReplaced) kept.push(line);
  }
  const section = [
    `[${profile}]`,
    `aws_access_key_id = ${accessKeyId}`,
    `aws_secret_access_key = ${secretAccessKey}`,
  ];
  return `${[...kept, ...section].join('\n')}\n`;
}
