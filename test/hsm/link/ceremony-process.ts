// One side of a ceremony, in its own process as in reality: answers the calls that two-regions.ts sends.
import type { LinkOffer, LinkSide, SealedTransportKey } from '../../../daemon/hsm/link-messages.js';
import { LinkCeremony } from '../../../daemon/hsm/link/index.js';
import { PIN, SO_PIN } from '../token.js';
import { ceremonyOf, withBuffers } from './two-regions.js';

export interface Call {
  readonly open?: {
    readonly label: string;
    readonly side: LinkSide;
    readonly pins?: { readonly officer: string; readonly user: string };
  };
  readonly seal?: LinkOffer;
  readonly accept?: { readonly peer: LinkOffer; readonly sealed: SealedTransportKey };
}

let ceremony: LinkCeremony | undefined;

async function answer({ open, seal, accept }: Call): Promise<unknown> {
  if (open) {
    const { officer, user } = open.pins ?? { officer: SO_PIN, user: PIN };
    const pins = { officer: () => Buffer.from(officer), user: () => Buffer.from(user) };
    ceremony = await LinkCeremony.open(ceremonyOf(open), withBuffers(open.side), pins);
    return ceremony.offer;
  }
  if (seal) return ceremony!.seal(seal);
  if (accept) return ceremony!.accept(accept.peer, accept.sealed);
  ceremony!.close();
  return undefined;
}

process.on('message', (call: Call) => {
  answer(call).then(
    (result) => process.send?.({ result }, () => Object.keys(call).length === 0 && process.disconnect()),
    (error: Error) =>
      process.send?.({ error: { message: error.message, code: (error as { code?: string }).code } }),
  );
});
