// The connection of one command, and its errors and exit status.
import { CommanderError } from 'commander';
import { clearProgress } from '../../proto/progress.js';
import type { Client } from '../client.js';
import { ConnectionError, ServiceError, TimeoutError } from '../errors.js';
import { connect } from '../index.js';
import { exitCodes } from './exit-codes.js';
import { connectionOf, type GlobalOptions } from './global-options.js';
import { hintFor } from './help/hints.js';
import { UsageError } from './input/values.js';
import { meantAlias } from './meant-alias.js';
import { chooseColors } from './output/style.js';

let globals: GlobalOptions = {};

/** Sets the global options of the running command. */
export function applyGlobals(options: GlobalOptions): void {
  globals = options;
  if (options.color) chooseColors(options.color);
}

/** Prints a message if --debug is given; it never contains data of a request or response. */
function debug(text: string): void {
  if (globals.debug) console.error(`keyhold: debug: ${text}`);
}

/** Returns the endpoint that the command connects to. */
export function endpointText(): string {
  return globals.endpointUrl ?? process.env.KEYHOLD_URL ?? '(KEYHOLD_URL is not set)';
}

/** Describes the source of the command's credentials, in the order of precedence. */
export function credentialsText(): string {
  const { AWS_ACCESS_KEY_ID, AWS_PROFILE, KEYHOLD_CERTIFICATE } = process.env;
  if (globals.profile !== undefined) return `profile '${globals.profile}'`;
  if (KEYHOLD_CERTIFICATE && !endpointText().startsWith('unix:')) return `certificate ${KEYHOLD_CERTIFICATE}`;
  return AWS_ACCESS_KEY_ID ? 'AWS_ACCESS_KEY_ID' : `profile '${AWS_PROFILE || 'default'}'`;
}

/**
 * Connects, runs the command, and closes the connection. Ctrl-C aborts it.
 * @param operation the operation's name for error messages, or a function that returns it once it is known
 * @throws OperationError for an error of the daemon; ConnectionError, TimeoutError, Interrupted
 */
export async function withClient(
  run: (client: Client, signal: AbortSignal) => Promise<void>,
  operation: string | (() => string),
): Promise<void> {
  const interrupt = new AbortController();
  const abort = () => interrupt.abort(new Interrupted());
  process.once('SIGINT', abort).once('SIGTERM', abort);
  const connection = await connectionOf(globals);
  debug(`connecting to ${endpointText()}`);
  const { signal } = interrupt;
  const client = await connect({ maxAttempts: 1, connectTimeout: 5_000, ...connection, signal });
  const started = performance.now();
  debug('connected');
  try {
    await run(client, interrupt.signal);
  } catch (error) {
    const name = typeof operation === 'string' ? operation : operation();
    if (!(error instanceof ServiceError)) throw error;
    const { code, message } = error;
    throw new OperationError(name, { code, message: message + (await meantAlias(client, error)) });
  } finally {
    await client.close();
    debug(`ended after ${Math.round(performance.now() - started)} ms`);
  }
}

/** The command was interrupted by Ctrl-C. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
}

/** The daemon refused an operation. The message is in the form of the AWS CLI. */
export class OperationError extends Error {
  constructor(operation: string, { code, message }: Pick<ServiceError, 'code' | 'message'>) {
    const text = [message, hintFor(operation, code, message)].filter(Boolean).join(' ');
    super(`An error occurred (${code}) when calling the ${operation} operation: ${text}`);
  }
}

/** Prints why a command failed. @returns the exit status */
export function reportFailure(error: unknown): number {
  clearProgress();
  if (error instanceof CommanderError) {
    // commander has printed the error already. Help and version end with 0.
    return error.exitCode === 0 ? 0 : exitCodes.usage;
  }
  if (error instanceof Interrupted) return exitCodes.interrupted;
  for (let each = error; each instanceof Error; each = each.cause) debug(each.stack ?? each.message);
  console.error(`keyhold: ${textOf(error)}`);
  if (error instanceof UsageError) return exitCodes.usage;
  if (error instanceof ConnectionError || error instanceof TimeoutError) return exitCodes.noDaemon;
  return exitCodes.refused;
}

function textOf(error: unknown): string {
  if (!(error instanceof ServiceError)) return error instanceof Error ? error.message : String(error);
  const { code, message } = error;
  const text = [message, hintFor('', code, message)].filter(Boolean).join(' ');
  return `An error occurred (${code}) when connecting: ${text}`;
}
