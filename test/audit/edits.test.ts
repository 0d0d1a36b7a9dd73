import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import { recordHash } from '../../daemon/audit/chain.js';
import { chainAnew, members, openLog, readLog, verify } from './support.js';

const directory = t.testdir();
for (let part = 0; part < 4; part++) {
  const { log } = await openLog(directory);
  for (let index = 0; index < 5; index++) await log.append(members(index));
  await log.close();
}
const file = join(directory, 'audit-00000001.jsonl');
const whole = readFileSync(file);
const lines = readLog(directory);
const head = { sequence: lines.length, hash: recordHash(lines.at(-1) ?? '') };
/** The newest checkpoint is the last record, and names the record before it. */
const signed = lines.length - 1;
const signedLength = whole.lastIndexOf(0x0a, whole.length - 2) + 1;
const signature = /"signature":"[^"]+"/;

/** Whether an edit is found, or changed nothing. */
function found(edited: Buffer, options: Parameters<typeof verify>[1] = {}): boolean {
  writeFileSync(file, edited);
  return edited.equals(whole) || verify(directory, options).fault !== undefined;
}

const joined = (edited: readonly string[]) => Buffer.from(edited.map((line) => line + '\n').join(''));
const index = (below: number) => fc.nat({ max: below - 1 });
const position = index(signedLength);

function flip(at: number, bit: number): Buffer {
  const edited = Buffer.from(whole);
  edited[at] = whole[at]! ^ (1 << bit);
  return edited;
}

/** Edits of the records that the newest checkpoint covers; the checkpoint itself stays. */
const edits = {
  'a bit flipped': fc.property(position, index(8), (at, bit) => found(flip(at, bit))),
  'a byte put in': fc.property(position, index(256), (at, byte) =>
    found(Buffer.concat([whole.subarray(0, at), Buffer.from([byte]), whole.subarray(at)])),
  ),
  'bytes taken out': fc.property(position, fc.integer({ min: 1, max: 500 }), (at, count) =>
    found(Buffer.concat([whole.subarray(0, at), whole.subarray(Math.min(at + count, signedLength))])),
  ),
  'bytes written over': fc.property(position, fc.uint8Array({ minLength: 1, maxLength: 50 }), (at, bytes) => {
    const edited = Buffer.from(whole);
    edited.set(bytes.subarray(0, signedLength - at), at);
    return found(edited);
  }),
  'a line deleted': fc.property(index(signed), (at) => found(joined(lines.toSpliced(at, 1)))),
  'a line duplicated elsewhere': fc.property(index(lines.length), index(signed + 1), (from, to) =>
    found(joined(lines.toSpliced(to, 0, lines[from] ?? ''))),
  ),
  'two lines swapped': fc.property(index(signed), index(lines.length), (a, b) => {
    const edited = [...lines];
    [edited[a], edited[b]] = [lines[b] ?? '', lines[a] ?? ''];
    return found(joined(edited));
  }),
  'a line inserted': fc.property(index(signed + 1), fc.string(), (at, text) =>
    found(joined(lines.toSpliced(at, 0, text))),
  ),
  'a member changed, and the chain computed anew': fc.property(index(signed), fc.string(), (at, text) =>
    found(joined(chainAnew(lines.with(at, `${lines[at]!.slice(0, -1)},"more":${JSON.stringify(text)}}`)))),
  ),
  'a line deleted, and the chain computed anew': fc.property(index(signed), (at) =>
    found(joined(chainAnew(lines.toSpliced(at, 1)))),
  ),
  // Not an exact copy: a repetition of the next record would change nothing before the checkpoint.
  'a line inserted, and the chain computed anew': fc.property(
    index(lines.length),
    index(signed),
    (from, to) =>
      found(joined(chainAnew(lines.toSpliced(to, 0, `${lines[from]!.slice(0, -1)},"copy":true}`)))),
  ),
  'two lines swapped, and the chain computed anew': fc.property(index(signed), index(signed), (a, b) =>
    found(joined(chainAnew(lines.with(a, lines[b]!).with(b, lines[a]!)))),
  ),
  'lines cut out, and the chain computed anew': fc.property(index(signed), index(signed), (a, b) =>
    found(joined(chainAnew([...lines.slice(0, Math.min(a, b)), ...lines.slice(Math.max(a, b))]))),
  ),
  'a signature exchanged for another': fc.property(index(lines.length), index(lines.length), (to, from) => {
    const other = signature.exec(lines[from] ?? '')?.[0];
    return found(
      joined(lines.map((line, at) => (at === to && other ? line.replace(signature, other) : line))),
    );
  }),
};

for (const [name, property] of Object.entries(edits)) {
  await t.test(`${name}: found with only the public key`, (t) => {
    t.doesNotThrow(() => fc.assert(property as fc.IProperty<unknown>, { numRuns: 200 }));
    t.end();
  });
}

await t.test('a log truncated anywhere is found by the expected checkpoint, and by the head', (t) => {
  const property = fc.property(index(whole.length), (length) => {
    const cut = whole.subarray(0, length);
    return found(cut, { expectCheckpoint: signed }) && found(cut, { expectHead: head });
  });
  t.doesNotThrow(() => fc.assert(property, { numRuns: 200 }));
  t.end();
});

await t.test('any edit of the last record, its checkpoint, is found by the head of the daemon', (t) => {
  const last = fc.integer({ min: signedLength, max: whole.length - 1 });
  const property = fc.property(last, index(8), (at, bit) => found(flip(at, bit), { expectHead: head }));
  t.doesNotThrow(() => fc.assert(property, { numRuns: 200 }));
  t.end();
});

await t.test('arbitrary bytes never crash the verifier', (t) => {
  const part = fc.oneof(
    fc.uint8Array(),
    fc.constantFrom(...lines).map((line) => Buffer.from(line + '\n')),
  );
  const property = fc.property(fc.array(part), (parts) => {
    writeFileSync(file, Buffer.concat(parts));
    const { fault, records } = verify(directory);
    return fault !== undefined || records <= lines.length;
  });
  t.doesNotThrow(() => fc.assert(property, { numRuns: 200 }));
  t.end();
});
