// The ceremony as people run it: two daemons, `keyhold region link` on both sides, and files that are copied from one side to
// the other.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { TestDaemon } from '../../support/daemon.js';
import { checkout } from '../../support/paths.js';
import { startRegion, type TestRegion, until } from '../../support/regions.js';
import { labels } from '../../support/token.js';

t.setTimeout(900_000);

const cli = join(checkout, 'dist/client/cli/main.js');
const fingerprintForm = /^ {4}([0-9a-f]{4}(?: [0-9a-f]{4}){9})$/gm;
const question = /Type 'yes' if they are the same/g;

/** A command of one side, which asks and waits. */
class Side {
  text = '';
  readonly #child: ChildProcess;

  constructor(
    t: Test,
    { name, daemon }: TestRegion,
    readonly args: readonly string[],
    readonly pinCommand: readonly string[] = ['cat', join(daemon.home, 'tokens/so-pin')],
  ) {
    const all = [
      cli,
      'region',
      ...args,
      '--exchange',
      exchangeOf(daemon),
      '--officer-pin-command',
      ...pinCommand,
    ];
    this.#child = spawn(process.execPath, all, { env: { ...daemon.env, AWS_REGION: name } });
    t.teardown(() => this.#child.kill('SIGKILL'));
    for (const stream of [this.#child.stdout!, this.#child.stderr!])
      stream.on('data', (data: Buffer) => (this.text += data.toString()));
  }

  /** Waits until it printed something as often as given. */
  async printed(words: RegExp, times = 1): Promise<void> {
    const count = () => Promise.resolve([...this.text.matchAll(new RegExp(words, 'g'))].length);
    await Promise.race([
      until(count, (found) => found >= times),
      this.ended().then(() => {
        if (!this.text.match(words)) throw new Error(`it ended: ${this.text}`);
      }),
    ]);
  }

  /** Waits for a question, and returns the fingerprint that it shows. */
  async fingerprint(times = 1): Promise<string> {
    await this.printed(question, times);
    return this.newestFingerprint!;
  }

  /** The newest fingerprint that it shows. */
  get newestFingerprint(): string | undefined {
    return [...this.text.matchAll(fingerprintForm)].at(-1)?.[1];
  }

  type(line: string): void {
    this.#child.stdin!.write(`${line}\n`);
  }

  /** What Ctrl-C does: both processes of the command get SIGINT. Here it is SIGTERM, which the command passes on. */
  interrupt(): void {
    this.#child.kill('SIGTERM');
  }

  /** @returns the exit status */
  async ended(): Promise<number | null> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, 'close');
    return this.#child.exitCode;
  }
}

function exchangeOf({ home }: TestDaemon): string {
  return join(home, 'exchange');
}

/** Copies a file from one side's folder to the other's, as people do. @param change what happens to it on the way */
function carry(from: TestRegion, to: TestRegion, file: string, change?: (text: string) => string): void {
  const [source, target] = [join(exchangeOf(from.daemon), file), join(exchangeOf(to.daemon), file)];
  if (change) writeFileSync(target, change(readFileSync(source, 'utf8')));
  else copyFileSync(source, target);
}

/** Replaces a base64 member by one of another value. */
function altered(member: string): (text: string) => string {
  return (text) => {
    const found = new RegExp(`"${member}": "(.)`).exec(text)!;
    const at = found.index + found[0].length + 400;
    return text.slice(0, at) + (text[at] === 'A' ? 'B' : 'A') + text.slice(at + 1);
  };
}

/** Waits until both sides show the same fingerprint. Files of an earlier attempt may make them show another one before. */
async function agreement(one: Side, other: Side): Promise<void> {
  await Promise.all([one.fingerprint(), other.fingerprint()]);
  await until(
    () => Promise.resolve(one.newestFingerprint === other.newestFingerprint),
    (same) => same,
  );
}

async function linkLabels({ daemon }: TestRegion): Promise<string[]> {
  return Promise.resolve(labels(daemon).filter((label) => label.startsWith('keyhold/link/')));
}

void t.test('two Regions are linked', async (t) => {
  const a = await startRegion(t, 'us-east-1');
  const b = await startRegion(t, 'eu-central-1');
  for (const { daemon } of [a, b]) mkdirSync(exchangeOf(daemon));
  const link = (region: TestRegion, ...more: string[]) =>
    new Side(t, region, ['link', '--peer-region', (region === a ? b : a).name, ...more]);
  const offers = (generation: number) => {
    carry(a, b, `us-east-1-${generation}.offer`);
    carry(b, a, `eu-central-1-${generation}.offer`);
  };

  await t.test('an answer other than yes links nothing, and leaves nothing', async (t) => {
    const [ours, theirs] = [link(a), link(b)];
    await Promise.all([ours.printed(/Waiting for .*eu-central-1-1\.offer/), theirs.printed(/Waiting for/)]);
    carry(a, b, 'us-east-1-1.offer');
    carry(b, a, 'eu-central-1-1.offer', (text) => text.slice(0, -20));
    await ours.printed(/is not complete/);
    carry(b, a, 'eu-central-1-1.offer', altered('wrappingKey'));
    const [shown, seen] = await Promise.all([ours.fingerprint(), theirs.fingerprint()]);
    t.not(shown, seen, 'an offer that was changed on the way has another fingerprint');
    ours.type('no');
    t.equal(await ours.ended(), 1);
    t.match(ours.text, /was not confirmed\. Nothing was linked/);
    t.same(await linkLabels(a), []);
    t.notOk(existsSync(join(exchangeOf(a.daemon), 'us-east-1-1.offer')));
    t.same((await a.client.listRegionLinks({})).links ?? [], []);

    await t.test('Ctrl-C leaves nothing either', async (t) => {
      theirs.interrupt();
      t.equal(await theirs.ended(), 130);
      t.match(theirs.text, /Interrupted\. Nothing was linked/);
      t.same(await linkLabels(b), []);
      t.notOk(existsSync(join(exchangeOf(b.daemon), 'eu-central-1-1.offer')));
    });
  });

  await t.test('a changed transport key is refused, and the side that began again is noticed', async (t) => {
    // eu-central-1's offer of the attempt before is still here: it is another fingerprint, until the new one comes.
    const [ours, theirs] = [link(a), link(b)];
    await Promise.all([ours.fingerprint(), theirs.printed(/Waiting for/)]);
    offers(1);
    await agreement(ours, theirs);
    t.match(ours.text, /eu-central-1 began again, so the fingerprint is a new one/);
    for (const side of [ours, theirs]) side.type('yes');
    await Promise.all([ours.printed(/Wrote .*\.sealed/), theirs.printed(/Wrote .*\.sealed/)]);
    carry(b, a, 'eu-central-1-1.sealed', altered('wrapped'));
    t.equal(await ours.ended(), 1);
    t.match(ours.text, /not signed by the key of this link/);
    t.same(await linkLabels(a), [], 'the keys of the attempt are destroyed');
    t.same(
      readdirSync(exchangeOf(a.daemon)).filter((name) => name.startsWith('us-')),
      [],
    );

    const again = link(a);
    await again.printed(/Wrote .*us-east-1-1\.offer/);
    carry(a, b, 'us-east-1-1.offer');
    t.equal(await theirs.ended(), 1);
    t.match(theirs.text, /us-east-1 began the ceremony again, with another fingerprint/);
    t.same(await linkLabels(b), []);
    again.interrupt();
    await again.ended();
  });

  await t.test('with the same fingerprint on both sides they are linked', async (t) => {
    const [ours, theirs] = [link(a), link(b)];
    await Promise.all([ours.printed(/Wrote/), theirs.printed(/Wrote/)]);
    offers(1);
    await agreement(ours, theirs);
    for (const side of [ours, theirs]) side.type('yes');
    await Promise.all([ours.printed(/Wrote .*\.sealed/), theirs.printed(/Wrote .*\.sealed/)]);
    await ours.printed(/eu-central-1-1\.sealed belongs to another ceremony/);
    carry(a, b, 'us-east-1-1.sealed');
    carry(b, a, 'eu-central-1-1.sealed');
    t.same(await Promise.all([ours.ended(), theirs.ended()]), [0, 0], ours.text + theirs.text);
    for (const region of [a, b]) {
      t.equal((await linkLabels(region)).length, 4, 'send key, receive key and signing pair');
      const pins = [readFileSync(join(region.daemon.home, 'tokens/so-pin'), 'utf8')];
      pins.push(readFileSync(join(region.daemon.home, 'tokens/pin'), 'utf8'));
      for (const pin of pins)
        t.notOk((ours.text + theirs.text + region.daemon.stderr).includes(pin.trim()), 'no PIN is printed');
      t.equal(region.daemon.events('CompleteRegionLink').length, 1);
    }
    const connected = async () => (await a.client.listRegionLinks({})).links?.[0]?.connection;
    t.equal(await until(connected, (each) => each === 'CONNECTED'), 'CONNECTED');
    const { stdout } = await a.daemon.cli(['region', 'list', '--output', 'readable']);
    t.match(stdout, /^REGION +STATUS +GENERATION +CONNECTION +WAITING KEYS +ENDPOINT$/m);
    t.match(stdout, /^eu-central-1 +LINKED +1 +CONNECTED +0 +wss:\/\/127\.0\.0\.1:\d+$/m);
    const { code, stderr } = await a.daemon.cli(['region', 'link', '--peer-region', 'eu-central-1']);
    t.equal(code, 2);
    t.match(stderr, /is linked to eu-central-1 already, generation 1\. 'keyhold region rotate'/);
  });

  await t.test(
    'rotation replaces the keys, and destroys the old ones once both sides use the new',
    async (t) => {
      const ours = new Side(t, a, ['rotate', '--peer-region', b.name]);
      const theirs = new Side(t, b, ['rotate', '--peer-region', a.name]);
      await Promise.all([ours.printed(/Wrote/), theirs.printed(/Wrote/)]);
      offers(2);
      await agreement(ours, theirs);
      for (const side of [ours, theirs]) side.type('yes');
      await Promise.all([ours.printed(/Wrote .*\.sealed/), theirs.printed(/Wrote .*\.sealed/)]);
      carry(b, a, 'eu-central-1-2.sealed');
      await ours.printed(/Waiting until eu-central-1 uses generation 2/);
      t.equal((await linkLabels(a)).length, 8, 'until then both generations are there');
      carry(a, b, 'us-east-1-2.sealed');
      t.same(await Promise.all([ours.ended(), theirs.ended()]), [0, 0], ours.text + theirs.text);
      for (const region of [a, b]) {
        const found = await linkLabels(region);
        t.equal(found.length, 4);
        t.ok(found.every((label) => label.includes('/2/')));
        t.match((await region.client.listRegionLinks({})).links, [{ generations: [2], status: 'LINKED' }]);
      }
    },
  );

  await t.test('a generation that the other side does not make is named', async (t) => {
    const ahead = new Side(t, a, ['rotate', '--peer-region', b.name, '--generation', '5']);
    await ahead.printed(/Wrote/);
    carry(a, b, 'us-east-1-5.offer');
    const theirs = new Side(t, b, ['rotate', '--peer-region', a.name]);
    await theirs.printed(/us-east-1-5\.offer is for generation 5 .* begin again with --generation 5/);
    for (const side of [ahead, theirs]) side.interrupt();
    t.same(await Promise.all([ahead.ended(), theirs.ended()]), [130, 130]);
    t.equal((await linkLabels(a)).length, 4, 'the link in use stays');
  });

  await t.test('unlink removes the link and its keys, and may be repeated', async (t) => {
    const unlink = () => a.daemon.cli(['region', 'unlink', '--peer-region', 'eu-central-1', '--yes']);
    const { code, stderr } = await unlink();
    t.equal(code, 0);
    t.match(stderr, /destroyed 4 objects/);
    t.match(stderr, /Unlink this Region in eu-central-1 too/);
    t.same(await linkLabels(a), []);
    t.same((await a.client.listRegionLinks({})).links ?? [], []);
    t.match(await unlink(), { code: 0, stderr: /destroyed 0 objects/ });
    t.equal((await linkLabels(b)).length, 4);
  });

  await t.test("a wrong PIN of the officer is reported, and the user's is not affected", async (t) => {
    const side = new Side(t, a, ['link', '--peer-region', b.name], ['echo', 'wrong-pin']);
    t.equal(await side.ended(), 1);
    t.match(side.text, /The security officer cannot log in: The token refused the PIN/);
    t.notMatch(side.text, /wrong-pin/);
    t.equal((await a.daemon.cli(['doctor', '--no-trial'])).code, 0);
  });
});
