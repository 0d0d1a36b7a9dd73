// keyhold region unlink: deletes a link in the daemon, and then its keys in the HSM.
import type { Client } from '../../../client.js';
import { ServiceError } from '../../../errors.js';
import { mapConcurrently } from '../../concurrency.js';
import { confirm } from '../../confirmation.js';
import { pagesOf } from '../../pages.js';
import { adminProgramPath, linkDestruction, runAdminProgram } from '../../programs.js';
import { withClient } from '../../session.js';
import { ifAllowed } from '../parts.js';
import { homeArguments } from './link.js';

/** Options of `keyhold region unlink`. */
export interface UnlinkOptions {
  readonly peerRegion: string;
  readonly home?: string;
  readonly forgetKeys?: boolean;
  readonly yes?: boolean;
}

/** What becomes of keys whose other Region does not come back. */
const forgotten =
  'Each becomes a primary key of its own here, without a replica there. This cannot be undone: a new link does not relate them again.';

/** How many keys are named. */
const mostNamed = 10;

/** `keyhold region unlink`. If it was interrupted, it may be repeated. */
export async function unlinkRegion(options: UnlinkOptions): Promise<void> {
  const { peerRegion, forgetKeys = false, yes = false } = options;
  const home = homeArguments(options);
  adminProgramPath(linkDestruction);
  await withClient(async (client) => {
    const shared = await keysSharedWith(client, peerRegion);
    if (shared.length > 0) {
      const rest = shared.length > mostNamed ? ` and ${shared.length - mostNamed} more` : '';
      console.error(
        `Keys that are in ${peerRegion} too, and stay in both Regions: ${shared.slice(0, mostNamed).join(', ')}${rest}. ` +
          (forgetKeys
            ? forgotten
            : 'They still decrypt the same ciphertexts. A rotation or deletion waits for a new link.'),
      );
    }
    await confirm(client, 'DeleteRegionLink', { peerRegion, forgetKeys }, yes);
    try {
      await client.deleteRegionLink({ peerRegion, forgetKeys });
    } catch (error) {
      // An earlier command may have come this far.
      if (!(error instanceof ServiceError) || error.code !== 'NotFoundException') throw error;
      console.error(`The daemon has no link to ${peerRegion}. What the HSM has of one is destroyed.`);
    }
  }, 'DeleteRegionLink');
  await runAdminProgram(linkDestruction, [...home, '--peer-region', peerRegion]);
  console.error(`Unlink this Region in ${peerRegion} too: until then it tries to connect, and is refused.`);
}

/** Finds the multi-Region keys that another Region has. @returns their IDs */
async function keysSharedWith(client: Client, region: string): Promise<string[]> {
  const keyIds: string[] = [];
  for await (const { keys = [] } of pagesOf((marker) => client.listKeys({ marker })))
    keyIds.push(...keys.map(({ keyId = '' }) => keyId).filter((keyId) => keyId.startsWith('mrk-')));
  const found = await mapConcurrently(keyIds, async (keyId) => {
    const described = await ifAllowed(client.describeKey({ keyId }));
    const { primaryKey, replicaKeys = [] } = described?.keyMetadata?.multiRegionConfiguration ?? {};
    return [primaryKey, ...replicaKeys].some((each) => each?.region === region) ? [keyId] : [];
  });
  return found.flat();
}
