// keyhold doctor: what the token of the default key store can do, by the table of key specs, and the anchors in it.
import { Command } from 'commander';
import { anchoredStores } from '../anchor.js';
import { loadConfig } from '../config/load.js';
import { HsmError } from '../hsm/key-store.js';
import { openKeyStore } from '../hsm-connection.js';
import { type Capability, capabilitiesOf } from '../keys/mechanisms.js';
import { createLog } from '../observability/log.js';
import { homeOf, isProgram, runCommand } from './audit-program.js';

/**
 * Runs `keyhold doctor`: loads the module and logs in, in a process of its own, and says for each key spec and algorithm
 * whether the token can have such keys. A PIN that the token refused before is not tried again. Makes no object.
 * @param argv arguments without the program's name
 * @returns 0; 1: there is no way to the token; 2: wrong usage
 */
export async function doctor(argv: readonly string[]): Promise<number> {
  const command = new Command('keyhold doctor')
    .description('Says what the HSM can do: key specs and algorithms, and what its module lacks.')
    .option('--home <dir>', 'the home; KEYHOLD_HOME if not given')
    .option('--json', 'one JSON object a line');
  return runCommand(command, argv, async () => {
    const { json, home: given } = command.opts<{ json?: boolean; home?: string }>();
    const home = homeOf(given);
    try {
      const store = await openKeyStore(home, loadConfig(home), createLog('silent'), 1);
      const capabilities = capabilitiesOf(store);
      const anchors = anchoredStores(store);
      await store.close();
      process.stdout.write(
        json
          ? `${asJson(capabilities)}${JSON.stringify({ anchoredStores: anchors })}\n`
          : `${asTable(capabilities)}${anchorText(anchors)}\n`,
      );
      return 0;
    } catch (error) {
      if (!(error instanceof HsmError)) throw error;
      console.error(`keyhold doctor: ${error.message}`);
      return 1;
    }
  });
}

/** A daemon writes its anchor before it answers for the first time. */
function anchorText(storeIds: readonly string[]): string {
  if (storeIds.length > 0) return `The token holds the anchor of metadata store ${storeIds.join(', ')}.`;
  return (
    'The token holds no anchor of a metadata store: no daemon has run on it yet, or its module holds no private data ' +
    'objects. Then an older store that is put back is not found.'
  );
}

function asJson(capabilities: readonly Capability[]): string {
  return capabilities.map((capability) => `${JSON.stringify(capability)}\n`).join('');
}

function asTable(capabilities: readonly Capability[]): string {
  const rows = capabilities.map(({ keySpec, keyUsage, algorithm, mechanism, supported, reason = '' }) => [
    keySpec,
    keyUsage,
    algorithm,
    supported ? 'yes' : 'no',
    reason || mechanism,
  ]);
  const widths = [0, 1, 2, 3].map((column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows
    .map((row) => `${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}\n`)
    .join('');
}

if (isProgram(import.meta.url)) process.exitCode = await doctor(process.argv.slice(2));
