// Finds secrets in everything that a run wrote, in any notation.

/** Bytes of a secret that are searched together: fewer would match by chance, more would miss truncated secrets. */
const window = 12;

/** The notations in which bytes may appear in a text. */
const forms: Readonly<Record<string, (bytes: Buffer) => readonly string[]>> = {
  raw: (bytes) => [bytes.toString('latin1')],
  'lower-case hex': (bytes) => [bytes.toString('hex')],
  'upper-case hex': (bytes) => [bytes.toString('hex').toUpperCase()],
  base64: (bytes) => alignments(bytes, 'base64'),
  base64url: (bytes) => alignments(bytes, 'base64url'),
  // As JSON.stringify and util.inspect show a Buffer.
  numbers: (bytes) => [bytes.join(',')],
  'spaced hex': (bytes) => [bytes.toString('hex').replace(/(?<=..)(?=(..)+$)/g, ' ')],
};

/** Base64 of the bytes at each of the three alignments, without the characters at the ends that depend on neighbouring bytes. */
function alignments(bytes: Buffer, encoding: 'base64' | 'base64url'): string[] {
  return [0, 1, 2].map((before) => {
    const text = Buffer.concat([Buffer.alloc(before), bytes])
      .toString(encoding)
      .replace(/=+$/, '');
    return text.slice(Math.ceil((before * 8) / 6), Math.floor(((before + bytes.length) * 8) / 6));
  });
}

interface Needle {
  readonly secret: string;
  readonly form: string;
  readonly text: Buffer;
}

export class SecretSearch {
  /** Needles by their first four bytes. */
  readonly #needles = new Map<number, Needle[]>();
  readonly #names = new Set<string>();

  get count(): number {
    return this.#names.size;
  }

  /**
   * Adds a secret: its beginning, middle and end are searched.
   * @param bytes at least 8, and nothing that is public: of a private key only the private number
   */
  add(secret: string, bytes: Uint8Array | string): void {
    const all = Buffer.from(bytes as Uint8Array);
    if (all.length < 8) throw new Error(`${secret} is too short to be looked for`);
    this.#names.add(secret);
    const last = Math.max(0, all.length - window);
    for (const start of new Set([0, last >> 1, last]))
      for (const [form, write] of Object.entries(forms))
        for (const text of write(all.subarray(start, start + window))) this.#index(secret, form, text);
  }

  /** Searches bytes. @returns the secrets found, as `name (form)` */
  find(haystack: Buffer): string[] {
    const found = new Set<string>();
    for (let at = 0; at + 4 <= haystack.length; at++) {
      const needles = this.#needles.get(haystack.readUInt32LE(at));
      for (const { secret, form, text } of needles ?? [])
        if (haystack.subarray(at, at + text.length).equals(text)) found.add(`${secret} (${form})`);
    }
    return [...found].sort();
  }

  #index(secret: string, form: string, written: string): void {
    const text = Buffer.from(written, 'latin1');
    const head = text.readUInt32LE(0);
    const needles = this.#needles.get(head) ?? [];
    this.#needles.set(head, [...needles, { secret, form, text }]);
  }
}

/** Every notation in which {@link SecretSearch} must find some bytes, for its own test. */
export function writtenForms(bytes: Buffer): Readonly<Record<string, string>> {
  const behind = (count: number) =>
    Buffer.concat([Buffer.from('xyz').subarray(0, count), bytes, Buffer.from('!')]);
  return {
    raw: bytes.toString('latin1'),
    hex: bytes.toString('hex'),
    HEX: bytes.toString('hex').toUpperCase(),
    ...Object.fromEntries([0, 1, 2].map((count) => [`base64 ${count}`, behind(count).toString('base64')])),
    ...Object.fromEntries(
      [0, 1, 2].map((count) => [`base64url ${count}`, behind(count).toString('base64url')]),
    ),
    json: JSON.stringify(bytes),
    inspected: `<Buffer ${bytes.toString('hex').replace(/(?<=..)(?=(..)+$)/g, ' ')}>`,
    'the end alone': bytes.subarray(-window).toString('latin1'),
  };
}
