// The folder through which the two sides of a ceremony exchange files. It may be one that both machines mount, or people copy
// the files. Whoever writes to it can stop a ceremony, and no more: the fingerprint and the signatures find every change.
import { constants } from 'node:fs';
import { open, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { replaceFile } from '../../files/replace-file.js';
import { UsageError } from '../program.js';
import {
  decodeFile,
  encodeFile,
  type FileKind,
  fileName,
  largestFile,
  type SealedFile,
} from './exchange-files.js';
import type { LinkOffer } from '../../hsm/link-messages.js';

/** Milliseconds between two looks: a folder of another machine reports no changes. */
const lookEvery = 300;

/** Who exchanges files. */
export interface ExchangeSides {
  readonly own: string;
  readonly peer: string;
  readonly generation: number;
  readonly link: string;
}

/** One side's view of the folder. */
export class Exchange {
  readonly #reported = new Set<string>();
  readonly #began = Date.now();

  /** @param say tells the operator something */
  constructor(
    private readonly folder: string,
    private readonly sides: ExchangeSides,
    private readonly say: (text: string) => void,
  ) {}

  /** The path of a file of the peer. */
  peerPath(kind: FileKind): string {
    return this.#path(this.sides.peer, kind);
  }

  /** Removes this side's files, those of an earlier attempt included. */
  async clear(): Promise<void> {
    for (const kind of ['offer', 'sealed'] as const)
      await rm(this.#path(this.sides.own, kind), { force: true });
  }

  /** Writes the offer of this side. @returns its path @throws UsageError if the folder cannot be written */
  writeOffer(offer: LinkOffer): Promise<string> {
    return this.#write('offer', encodeFile('offer', this.#names, offer));
  }

  /** Writes the sealed transport key of this side. @returns its path @throws UsageError if the folder cannot be written */
  writeSealed(sealed: SealedFile): Promise<string> {
    return this.#write('sealed', encodeFile('sealed', this.#names, sealed));
  }

  /**
   * Reads the peer's offer as it is now.
   * @returns undefined if there is none for this link and generation, which the operator is told once
   */
  async peerOffer(): Promise<LinkOffer | undefined> {
    const offer = await this.#read('offer', (each) => {
      const { peer, generation, link } = this.sides;
      return each.region === peer && each.generation === generation && each.link === link;
    });
    if (offer === undefined) await this.#tellOtherGenerations();
    return offer;
  }

  /** Reads the peer's sealed transport key. @returns undefined if there is none of the ceremony with this fingerprint */
  peerSealed(fingerprint: string): Promise<SealedFile | undefined> {
    return this.#read(
      'sealed',
      (each) => each.fingerprint === fingerprint && each.region === this.sides.peer,
    );
  }

  /** Looks again and again, until there is something. @throws the reason of the signal */
  async until<T>(look: () => Promise<T | undefined>, signal: AbortSignal): Promise<T> {
    for (;;) {
      signal.throwIfAborted();
      const found = await look();
      if (found !== undefined) return found;
      await sleep(lookEvery, undefined, { signal }).catch(() => undefined);
    }
  }

  get #names(): readonly [string, string] {
    return [this.sides.own, this.sides.peer];
  }

  #path(region: string, kind: FileKind): string {
    return join(this.folder, fileName(region, this.sides.generation, kind));
  }

  async #write(kind: FileKind, text: string): Promise<string> {
    const path = this.#path(this.sides.own, kind);
    try {
      await replaceFile(path, text, 0o644);
    } catch (error) {
      const { code = 'for an unknown reason' } = error as NodeJS.ErrnoException;
      throw new UsageError(`${path} cannot be written (${code}): --exchange names a folder that exists.`);
    }
    return path;
  }

  async #read<Kind extends FileKind>(
    kind: Kind,
    isWanted: (content: NonNullable<ReturnType<typeof decodeFile<Kind>>>) => boolean,
  ): Promise<ReturnType<typeof decodeFile<Kind>>> {
    const path = this.peerPath(kind);
    const text = await readBounded(path);
    if (text === undefined) return undefined;
    const content = decodeFile(kind, text);
    if (content !== undefined && isWanted(content)) return content;
    const fault =
      content === undefined ? 'is not complete, or is no such file' : 'belongs to another ceremony';
    this.#tell(`${path} ${fault}: waiting for ${this.sides.peer} to write a new one.`);
    return undefined;
  }

  /** Tells the operator if the peer makes another generation. */
  async #tellOtherGenerations(): Promise<void> {
    const { peer, generation } = this.sides;
    const names = await readdir(this.folder).catch(() => []);
    for (const name of names) {
      const other = name.startsWith(`${peer}-`)
        ? /^(\d{1,6})\.offer$/.exec(name.slice(peer.length + 1))
        : null;
      const number = Number(other?.[1] ?? generation);
      if (number === generation) continue;
      const path = join(this.folder, name);
      // A lower generation may be what an earlier ceremony left.
      const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: 0 }));
      if (number < generation && mtimeMs < this.#began) continue;
      const advice =
        number > generation
          ? `End this with Ctrl-C, and begin again with --generation ${number}`
          : `Begin again in ${peer} with --generation ${generation}`;
      this.#tell(
        `${path} is for generation ${number} of the link, and this side makes ${generation}. ${advice}.`,
      );
    }
  }

  #tell(text: string): void {
    if (this.#reported.has(text)) return;
    this.#reported.add(text);
    this.say(text);
  }
}

/** Reads a regular file. @returns undefined if it is absent, too large or something else */
async function readBounded(path: string): Promise<string | undefined> {
  let file;
  try {
    // A pipe must not block the ceremony.
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
  } catch {
    return undefined;
  }
  try {
    const { size } = await file.stat();
    if (!(await file.stat()).isFile() || size > largestFile) return '';
    const buffer = Buffer.alloc(largestFile);
    const { bytesRead } = await file.read(buffer, 0, largestFile, 0);
    return buffer.toString('utf8', 0, bytesRead);
  } catch {
    return undefined;
  } finally {
    await file.close();
  }
}
