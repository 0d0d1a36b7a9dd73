// Two Regions with an HSM each: two tokens of SoftHSM2, and the two processes of a ceremony.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Test } from 'tap';
import type {
  LinkGeneration,
  LinkOffer,
  LinkSide,
  SealedTransportKey,
} from '../../../daemon/hsm/link-messages.js';
import type { CeremonyPins } from '../../../daemon/hsm/link/index.js';
import type { CeremonyToken } from '../../../daemon/hsm/link/index.js';
import { checkout } from '../../support/paths.js';
import { LIBRARY, PIN, SO_PIN, type TestToken } from '../token.js';
import type { Call } from './ceremony-process.js';

export const pins: CeremonyPins = {
  officer: () => Buffer.from(SO_PIN),
  user: () => Buffer.from(PIN),
};

export function ceremonyOf({ label }: { readonly label: string }): CeremonyToken {
  return { library: LIBRARY, token: { label }, tokenFiles: 'softhsm2' };
}

/** A token, with its PINs if they are not those of the tests. */
export interface CeremonyTestToken extends Pick<TestToken, 'label' | 'env'> {
  readonly pins?: { readonly officer: string; readonly user: string };
}

/** One side of a ceremony, in its process. */
export class CeremonySide {
  private constructor(
    private readonly call: (call: Call) => Promise<unknown>,
    readonly offer: LinkOffer,
    /** Ends the process at once, as a crash does. */
    readonly kill: () => Promise<unknown>,
  ) {}

  static async open(
    t: Test,
    token: CeremonyTestToken,
    generation: LinkGeneration,
    region: string,
    {
      endpoint = `wss://${region}.example:8443`,
      certificate = Buffer.from(`a certificate of ${region}`),
    }: Partial<Pick<LinkSide, 'endpoint' | 'certificate'>> = {},
  ): Promise<CeremonySide> {
    const env = { ...process.env, ...token.env };
    const child = fork(join(checkout, 'dist/test/hsm/link/ceremony-process.js'), {
      env,
      serialization: 'advanced',
    });
    t.teardown(() => child.kill('SIGKILL'));
    const call = async (each: Call) => {
      child.send(each);
      const [answer] = (await once(child, 'message')) as [
        { result?: unknown; error?: { message: string; code?: string } },
      ];
      if (answer.error) throw Object.assign(new Error(answer.error.message), { code: answer.error.code });
      return answer.result;
    };
    const side = { ...generation, region, endpoint, certificate };
    const { label, pins: own } = token;
    const offer = (await call({ open: { label, side, pins: own } })) as LinkOffer;
    const kill = () => {
      child.kill('SIGKILL');
      return once(child, 'exit');
    };
    return new CeremonySide(call, withBuffers(offer), kill);
  }

  async seal(peer: LinkOffer): Promise<SealedTransportKey> {
    return withBuffers((await this.call({ seal: peer })) as SealedTransportKey);
  }

  async accept(peer: LinkOffer, sealed: SealedTransportKey): Promise<void> {
    await this.call({ accept: { peer, sealed } });
  }

  async close(): Promise<void> {
    await this.call({});
  }
}

/** Restores Buffers: the structured clone of one is a Uint8Array. */
export function withBuffers<T extends object>(value: T): T {
  const entries = Object.entries(value).map(([name, each]: [string, unknown]) => [
    name,
    each instanceof Uint8Array ? Buffer.from(each) : each,
  ]);
  return Object.fromEntries(entries) as T;
}

/** Links two tokens. @returns the offers of both */
export async function linkTokens(
  t: Test,
  here: TestToken,
  there: TestToken,
  generation: LinkGeneration,
): Promise<readonly [LinkOffer, LinkOffer]> {
  const a = await CeremonySide.open(t, here, generation, 'us-east-1');
  const b = await CeremonySide.open(t, there, generation, 'eu-central-1');
  await b.accept(a.offer, await a.seal(b.offer));
  await a.accept(b.offer, await b.seal(a.offer));
  await Promise.all([a.close(), b.close()]);
  return [a.offer, b.offer];
}
