// keyhold whoami: shows the caller, its credentials and the daemon.
import type { Command } from 'commander';
import { addOutputOptions, type OutputOptions, print } from '../output/output.js';
import { credentialsText, endpointText, withClient } from '../session.js';

/** Adds `keyhold whoami`. */
export function addWhoamiCommand(program: Command): void {
  const command = program
    .command('whoami')
    .helpGroup('At a glance:')
    .description('Shows whose credentials are used, and which daemon they are used with.')
    .action((options: OutputOptions) =>
      withClient(async (client) => {
        const { arn = '', account = '', userId = '' } = await client.getCallerIdentity({});
        const caller = { Arn: arn, Type: typeOf(arn), UserId: userId, Account: account };
        await print({ ...caller, Credentials: credentialsText(), Endpoint: endpointText() }, options);
      }, 'GetCallerIdentity'),
    );
  addOutputOptions(command);
}

/** Returns the type of the principal with an ARN. */
function typeOf(arn: string): string {
  if (arn.endsWith(':root')) return 'account root';
  return arn.includes(':assumed-role/') ? 'session of a role' : 'user';
}
