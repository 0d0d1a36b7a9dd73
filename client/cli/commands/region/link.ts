// keyhold region link and rotate: a request that prepares, the ceremony on this machine, and a request that completes.
import { setTimeout as sleep } from 'node:timers/promises';
import * as z from 'zod/mini';
import type { PrepareRegionLinkResponse, RegionLink } from '../../../../proto/generated/messages.js';
import { ConnectionError, TimeoutError } from '../../../errors.js';
import { exitCodes } from '../../exit-codes.js';
import { UsageError } from '../../input/values.js';
import { adminProgramPath, linkCeremony, linkDestruction, runInTerminal } from '../../programs.js';
import { Interrupted, withClient } from '../../session.js';

/** Options of `keyhold region link` and `rotate`. */
export interface LinkOptions {
  readonly peerRegion: string;
  readonly exchange: string;
  readonly generation?: number;
  readonly officerPinCommand?: readonly string[];
  readonly home?: string;
}

/** What the ceremony prints. */
const ceremonyResult = z.discriminatedUnion('confirmed', [
  z.strictObject({ confirmed: z.literal(false) }),
  z.strictObject({
    confirmed: z.literal(true),
    endpoint: z.string(),
    certificate: z.base64(),
    signingKey: z.base64(),
  }),
]);
type Confirmed = Extract<z.output<typeof ceremonyResult>, { confirmed: true }>;

/** How long a daemon that is restarting is waited for, in milliseconds: a ceremony is not repeated lightly. */
const patience = 60_000;
const pause = 1_000;

/** `keyhold region link` */
export async function linkRegion(options: LinkOptions): Promise<void> {
  await perform(options, (link) => {
    if (link?.status === 'LINKED')
      throw new UsageError(
        `This Region is linked to ${link.peerRegion} already, generation ${link.generation}. 'keyhold region rotate' replaces the keys of the link.`,
      );
  });
}

/** `keyhold region rotate` */
export async function rotateLink(options: LinkOptions): Promise<void> {
  const { peerRegion } = options;
  const generation = await perform(options, (link) => {
    if (link?.status !== 'LINKED')
      throw new UsageError(`This Region is not linked to ${peerRegion}: 'keyhold region link' makes a link.`);
  });
  if (generation === undefined) return;
  console.error(`Waiting until ${peerRegion} uses generation ${generation} too. Ctrl-C ends the wait.`);
  try {
    await withClient(async (client, signal) => {
      for (;;) {
        const { links = [] } = await client.listRegionLinks({}, { signal });
        const link = links.find((each) => each.peerRegion === peerRegion);
        if ((link?.generations ?? []).every((each) => each >= generation)) return;
        await sleep(pause, undefined, { signal });
      }
    }, 'ListRegionLinks');
  } catch (error) {
    console.error(
      `Both generations stay, because ${peerRegion} was not seen to use the new one. The link works. The next rotation destroys the older keys.`,
    );
    throw error instanceof Error && error.name === 'AbortError' ? new Interrupted() : error;
  }
  const { status } = await runInTerminal(linkDestruction, [
    ...homeArguments(options),
    ...['--peer-region', peerRegion, '--before', String(generation)],
  ]);
  process.exitCode = status;
}

/**
 * Runs a ceremony.
 * @param check throws if the link, as it is now, is not for this command
 * @returns the generation that is complete; undefined if none is, with the exit status set
 */
async function perform(
  options: LinkOptions,
  check: (link: RegionLink | undefined) => void,
): Promise<number | undefined> {
  const { peerRegion, officerPinCommand } = options;
  const home = homeArguments(options);
  adminProgramPath(linkCeremony);
  let isLinked = false;
  let prepared: PrepareRegionLinkResponse | undefined;
  await withClient(async (client) => {
    const { links = [] } = await client.listRegionLinks({});
    const link = links.find((each) => each.peerRegion === peerRegion);
    check(link);
    isLinked = link?.status === 'LINKED';
    prepared = await client.prepareRegionLink({ peerRegion, generation: options.generation });
  }, 'PrepareRegionLink');
  const { linkId, generation, ownRegion, endpoint, certificate } = prepared!;
  const { status, lines } = await runInTerminal(
    linkCeremony,
    [
      ...home,
      ...['--peer-region', peerRegion, '--own-region', ownRegion, '--link', linkId],
      ...['--generation', String(generation), '--endpoint', endpoint],
      ...['--certificate', Buffer.from(certificate).toString('base64'), '--exchange', options.exchange],
      ...(officerPinCommand ? ['--officer-pin-command', ...officerPinCommand] : []),
    ],
    1,
  );
  if (status !== 0) {
    process.exitCode = status;
    return undefined;
  }
  const result = ceremonyResult.parse(JSON.parse(lines[0] ?? ''));
  if (!result.confirmed) {
    process.exitCode = exitCodes.refused;
    // A link that is in use stays as it was.
    if (!isLinked)
      await withClient(
        async (client) => void (await client.deleteRegionLink({ peerRegion })),
        'DeleteRegionLink',
      );
    return undefined;
  }
  await complete(peerRegion, generation, result);
  console.error(
    `${ownRegion} is linked to ${peerRegion}, generation ${generation}. 'keyhold region list' shows the connection.`,
  );
  return generation;
}

/** Completes the link, with patience if the daemon is away. */
async function complete(
  peerRegion: string,
  generation: number,
  { endpoint, certificate, signingKey }: Confirmed,
): Promise<void> {
  const bytes = (text: string) => Buffer.from(text, 'base64');
  const peer = { endpoint, certificate: bytes(certificate), signingKey: bytes(signingKey) };
  const until = Date.now() + patience;
  for (;;)
    try {
      await withClient(
        async (client) => void (await client.completeRegionLink({ peerRegion, generation, ...peer })),
        'CompleteRegionLink',
      );
      return;
    } catch (error) {
      const isAway = error instanceof ConnectionError || error instanceof TimeoutError;
      if (!isAway || Date.now() > until) {
        console.error(
          `The ceremony succeeded, but the daemon did not complete the link: make the next generation on both sides, here with --generation ${generation + 1}.`,
        );
        throw error;
      }
      console.error('The daemon does not answer. Trying again.');
      await sleep(pause);
    }
}

/** @throws UsageError if there is no home */
export function homeArguments({ home }: { readonly home?: string }): string[] {
  const folder = home ?? process.env.KEYHOLD_HOME;
  if (!folder)
    throw new UsageError(
      "This works on the HSM, on the daemon's machine: name the daemon's home with --home DIR or KEYHOLD_HOME.",
    );
  return ['--home', folder];
}
