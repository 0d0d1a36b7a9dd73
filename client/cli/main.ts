#!/usr/bin/env node
// keyhold: the command line.
import { makeProgram } from './program.js';
import { reportFailure } from './session.js';

// A reader that closes the pipe early, such as head, is not an error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));

try {
  await makeProgram().parseAsync();
} catch (error) {
  process.exitCode = reportFailure(error);
}
