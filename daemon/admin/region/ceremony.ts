// The ceremony that links this Region to another one, which `keyhold region link` and `rotate` start between their requests to
// the daemon. It prints one line of JSON, the result, on standard output, and all that people read on standard error.
import { Command, Option } from 'commander';
import { resolve } from 'node:path';
import { ask } from '../../../proto/question.js';
import { loadConfig } from '../../config/load.js';
import type { LinkOffer, LinkSide } from '../../hsm/link-messages.js';
import { fingerprintOf } from '../../hsm/link-statements.js';
import { LinkCeremony } from '../../hsm/link/index.js';
import { addHomeOption, exitCodes, homeOf, runProgram, UsageError, wholeNumber } from '../program.js';
import { Exchange } from './exchange.js';
import { Interrupted, interruptedCode, interruption } from './interruption.js';
import { addOfficerPinOption, officerPin } from './officer-pin.js';
import { withToken } from './token-work.js';

interface Options {
  readonly peerRegion: string;
  readonly ownRegion: string;
  readonly link: string;
  readonly generation: number;
  readonly endpoint: string;
  readonly certificate: string;
  readonly exchange: string;
  readonly officerPinCommand?: readonly string[];
}

const program = addHomeOption(new Command('keyhold region link'))
  .description("The part of 'keyhold region link' that works on the HSM: start that instead.")
  .requiredOption('--peer-region <name>', 'the other Region')
  .requiredOption('--own-region <name>', 'this Region, as the daemon gave it')
  .requiredOption('--link <id>', 'the ID of the link, as the daemon gave it')
  .addOption(
    new Option('--generation <number>', 'the generation to make')
      .argParser(wholeNumber)
      .makeOptionMandatory(),
  )
  .requiredOption('--endpoint <url>', 'where the other Region reaches this one')
  .requiredOption('--certificate <base64>', 'the certificate of this Region, in DER')
  .requiredOption('--exchange <dir>', 'the folder through which both sides exchange files');
addOfficerPinOption(program, 'what prints the PIN of the security officer; default: asked at the terminal');

const say = (text: string) => void process.stderr.write(`${text}\n`);

/** The fingerprint was not confirmed. */
class NotConfirmed extends Error {
  override readonly name = 'NotConfirmed';
}

/** The peer's offer is another one than that which was confirmed. */
class BeganAgain extends Error {
  override readonly name = 'BeganAgain';
}

/** @returns what the peer offers, whose fingerprint was confirmed @throws NotConfirmed, Interrupted */
async function confirmedOffer(
  exchange: Exchange,
  own: LinkOffer,
  peer: string,
  signal: AbortSignal,
): Promise<LinkOffer> {
  for (let shown: string | undefined; ;) {
    const offer = await exchange.until(() => exchange.peerOffer(), signal);
    const fingerprint = fingerprintOf(own, offer);
    if (shown !== undefined) say(`\n${peer} began again, so the fingerprint is a new one.`);
    shown = fingerprint;
    say(
      `\nFingerprint of this link (${peer} at ${offer.endpoint}):\n\n    ${fingerprint}\n\n` +
        `Call the security officer of ${peer} and compare all ten groups by voice. Both sides must see the same.`,
    );
    const changed = new AbortController();
    const isOther = async () => {
      const now = await exchange.peerOffer();
      return now !== undefined && fingerprintOf(own, now) !== fingerprint ? true : undefined;
    };
    const watching = exchange
      .until(isOther, AbortSignal.any([signal, changed.signal]))
      .then(() => changed.abort())
      .catch(() => undefined);
    const answer = await ask(
      "Type 'yes' if they are the same, 'no' if not: ",
      AbortSignal.any([signal, changed.signal]),
    );
    signal.throwIfAborted();
    const isChanged = changed.signal.aborted || (await isOther()) === true;
    changed.abort();
    await watching;
    if (isChanged) continue;
    if (answer === undefined) throw new Interrupted();
    if (answer === 'yes') return offer;
    throw new NotConfirmed(
      'The fingerprint was not confirmed. Nothing was linked, and the HSM has no key of this ceremony.',
    );
  }
}

/** Runs the ceremony. @returns the peer's offer */
async function perform(
  ceremony: LinkCeremony,
  exchange: Exchange,
  { peerRegion: peer }: Options,
  signal: AbortSignal,
): Promise<LinkOffer> {
  const own = ceremony.offer;
  await exchange.clear();
  say(`Wrote ${await exchange.writeOffer(own)}.`);
  say(`Waiting for ${exchange.peerPath('offer')}, which ${peer} writes. Ctrl-C ends this.`);
  const offer = await confirmedOffer(exchange, own, peer, signal);
  const fingerprint = fingerprintOf(own, offer);
  const sealed = ceremony.seal(offer);
  say(`Wrote ${await exchange.writeSealed({ ...sealed, region: own.region, fingerprint })}.`);
  say(`Waiting for ${exchange.peerPath('sealed')}, which ${peer} writes. Ctrl-C ends this.`);
  const theirs = await exchange.until(async () => {
    const now = await exchange.peerOffer();
    if (now !== undefined && fingerprintOf(own, now) !== fingerprint)
      throw new BeganAgain(
        `${peer} began the ceremony again, with another fingerprint: begin again here too.`,
      );
    return exchange.peerSealed(fingerprint);
  }, signal);
  ceremony.accept(offer, theirs);
  return offer;
}

async function leaveNothing(ceremony: LinkCeremony, exchange: Exchange): Promise<void> {
  await exchange.clear();
  try {
    ceremony.abandon();
  } catch (error) {
    // What counts is why the ceremony ended. The next one replaces the keys.
    say(
      `Keys of this ceremony are left in the HSM, and the next one replaces them: ${(error as Error).message}`,
    );
  }
}

/** Runs the ceremony; if it fails, token and folder have nothing of it. */
async function run(): Promise<number> {
  const options = program.opts<Options>();
  const home = resolve(homeOf(program));
  const signal = interruption();
  const { peerRegion, ownRegion, link, generation, endpoint, certificate, officerPinCommand } = options;
  const { region } = loadConfig(home);
  if (region !== ownRegion)
    throw new UsageError(
      `the daemon that answered is that of Region ${ownRegion}, and ${home} is the home of ${region}: --home and KEYHOLD_URL must belong together.`,
    );
  return await withToken(home, async (token) => {
    const { settings, user } = token;
    const officer = officerPin(officerPinCommand, token);
    const side: LinkSide = {
      ...{ link, generation, endpoint, region: ownRegion },
      certificate: Buffer.from(certificate, 'base64'),
    };
    const sides = { own: ownRegion, peer: peerRegion, generation, link };
    const exchange = new Exchange(resolve(options.exchange), sides, say);
    say(`Linking ${ownRegion} to ${peerRegion}, generation ${generation}.`);
    const ceremony = await LinkCeremony.open(settings, side, { officer, user });
    try {
      const { endpoint, certificate, signingKey } = await perform(ceremony, exchange, options, signal);
      const result = {
        ...{ confirmed: true, endpoint },
        certificate: certificate.toString('base64'),
        signingKey: signingKey.toString('base64'),
      };
      process.stdout.write(`${JSON.stringify(result)}\n`);
      return exitCodes.done;
    } catch (error) {
      await leaveNothing(ceremony, exchange);
      if (!(error instanceof NotConfirmed)) throw error;
      say(`keyhold region link: ${error.message}`);
      process.stdout.write(`${JSON.stringify({ confirmed: false })}\n`);
      return exitCodes.done;
    } finally {
      ceremony.close();
    }
  }).catch((error: unknown) => {
    if (!(error instanceof Interrupted)) throw error;
    say('Interrupted. Nothing was linked, and the HSM has no key of this ceremony.');
    return interruptedCode;
  });
}

await runProgram(program, run);
