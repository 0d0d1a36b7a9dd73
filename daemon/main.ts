// The daemon's program: arguments, signals, exit.
import { resolve } from 'node:path';
import { printError, printReady } from './app/console.js';
import { start } from './app/daemon.js';
import { failureText } from './app/failure-text.js';

function end(reason: string): never {
  printError(reason);
  process.exit(1);
}

const fail = (error: unknown): never => end(failureText(error));

const home = process.env.KEYHOLD_HOME;
if (!home) end("KEYHOLD_HOME is not set: it names the folder that 'keyhold init' made.");
process.on('unhandledRejection', fail);
let stopping = false;
const daemon = await start(resolve(home)).catch(fail);
process.off('unhandledRejection', fail).on('unhandledRejection', daemon.unhandled.note);
// State may be half changed, so nothing more is answered or written. What was acknowledged is durable already.
process.on('uncaughtException', (error) => {
  try {
    daemon.fatal(error);
  } finally {
    process.exit(1);
  }
});
const stop = () => {
  if (stopping) return;
  stopping = true;
  daemon.stop().then(() => process.exit(0), fail);
};
process.on('SIGTERM', stop);
process.on('SIGINT', stop);
process.on('SIGHUP', () => {
  try {
    daemon.reload();
  } catch (error) {
    printError(`the configuration was not reloaded: ${error instanceof Error ? error.message : ''}`);
  }
});
printReady(daemon);
