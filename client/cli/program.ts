// Defines all commands of `keyhold` with commander. Help, completion and manual pages are made of them.
import { Command } from 'commander';
import { addAuditCommands } from './commands/audit.js';
import { addAuditArchive } from './commands/audit-archive.js';
import { addBackupCommand } from './commands/backup.js';
import { addCompletionCommand } from './commands/completion.js';
import { addIdentityCommands } from './commands/identity.js';
import { addLsCommand } from './commands/keys/ls.js';
import { addMigrateCommand } from './commands/migrate.js';
import { addOperationCommands } from './commands/operations.js';
import { addPolicyCommands } from './commands/policy.js';
import { addRegionCommands } from './commands/region/region.js';
import { addSealCommands } from './commands/seal.js';
import { addSeedCommand } from './commands/seed.js';
import { addShowCommand } from './commands/keys/show.js';
import { addStatusCommand } from './commands/status.js';
import { addVerifyOffline } from './commands/verify-offline.js';
import { addVersion } from './commands/version.js';
import { addWhoamiCommand } from './commands/whoami.js';
import { addGlobalOptions } from './global-options.js';
import { layOutHelp } from './help/help.js';
import { addPrograms } from './programs.js';
import { applyGlobals } from './session.js';

/** Builds the program with all its commands. */
export function makeProgram(): Command {
  const program = layOutHelp(new Command('keyhold'))
    .description('Keys that never leave your HSM, with the API of AWS KMS.')
    .showHelpAfterError("('keyhold --help' lists the commands, 'keyhold COMMAND --help' its options)")
    .exitOverride();
  addStatusCommand(program);
  addLsCommand(program);
  addShowCommand(program);
  addWhoamiCommand(program);
  addOperationCommands(program);
  addIdentityCommands(program);
  addSealCommands(program);
  addSeedCommand(program);
  addMigrateCommand(program);
  addBackupCommand(program);
  addPolicyCommands(program);
  addAuditCommands(program);
  const offline = [addVerifyOffline(program), addVersion(program), addCompletionCommand(program)];
  const withoutDaemon = new Set([...offline, ...addPrograms(program)]);
  addAuditArchive(program);
  addRegionCommands(program);
  addGlobalOptions(program, (command) => !withoutDaemon.has(command), applyGlobals);
  return program;
}
