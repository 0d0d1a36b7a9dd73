// The principal of this Region in whose name another Region asks. Both Regions belong to one account, so it has the same ARN.
import { exceptions } from '../../../proto/errors.js';
import type { Caller } from '../../identity/caller.js';
import { simulatedCaller } from '../../identity/simulated-caller.js';
import type { Services } from '../../pipeline/operation.js';
import { makeRequestContext, type RequestContext } from '../../pipeline/request-context.js';
import type { PeerCaller } from '../../regions/replication.js';

/**
 * Finds the principal of this Region that has the ARN of a caller of another.
 * @throws AccessDeniedException if there is none
 */
export function localCaller(
  { arn, sourceAddress, userAgent }: PeerCaller,
  { identities, keyring }: Pick<Services, 'identities' | 'keyring'>,
): { readonly caller: Caller; readonly origin: RequestContext } {
  const { region } = keyring.namer;
  const caller = simulatedCaller(arn, identities);
  if (!caller) {
    throw new exceptions.AccessDeniedException(
      `User: ${arn} does not exist in the Region ${region}: create it there, with the permissions that it needs.`,
    );
  }
  return { caller, origin: makeRequestContext('native', caller, region, sourceAddress, userAgent) };
}
