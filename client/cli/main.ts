#!/usr/bin/env node
// keyhold: the command line.
import { Command } from 'commander';
import { addGlobalOptions } from './global-options.js';
import { layOutHelp } from './help/help.js';
import { addIdentityCommands } from './identity.js';
import { addMigrateCommand } from './migrate.js';
import { addOperationCommands } from './operations.js';
import { addPolicyCommands } from './policy.js';
import { addPrograms } from './programs.js';
import { addSealCommands } from './seal.js';
import { addSeedCommand } from './seed.js';
import { applyGlobals, reportFailure } from './session.js';
import { addVerifyOffline } from './verify-offline.js';

const program = layOutHelp(new Command('keyhold'))
  .description('Keys that never leave your HSM, with the API of AWS KMS.')
  .showHelpAfterError("('keyhold --help' lists the commands, 'keyhold COMMAND --help' its options)")
  .exitOverride();
addOperationCommands(program);
addIdentityCommands(program);
addSealCommands(program);
addSeedCommand(program);
addMigrateCommand(program);
addPolicyCommands(program);
const withoutDaemon = new Set([addVerifyOffline(program), ...addPrograms(program)]);
addGlobalOptions(program, (command) => !withoutDaemon.has(command), applyGlobals);

// A reader that has seen enough, such as head, is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = reportFailure(error);
}
