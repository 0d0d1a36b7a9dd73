// Each end of the channel decodes the jobs that the other encodes, in the order of the fields.
import { randomBytes } from 'node:crypto';
import t from 'tap';
import { jobs, jobsByCode } from '../../daemon/hsm/jobs/table.js';

void t.test('decoded values equal the encoded ones, by name', (t) => {
  const [id, aad, iv, ciphertext, destinationId, destinationAad] = Array.from({ length: 6 }, () =>
    randomBytes(16),
  ) as [Buffer, Buffer, Buffer, Buffer, Buffer, Buffer];
  const source = { id, suite: 1, aad, iv, ciphertext } as const;
  const values = { ...source, destinationId, destinationSuite: 'rsa-oaep-sha256', destinationAad } as const;
  const parts = jobs.reEncrypt.arguments.encode(values);
  t.same(jobs.reEncrypt.arguments.decode(parts), values);
  const shuffled = Object.fromEntries(Object.entries(values).reverse()) as typeof values;
  t.same(jobs.reEncrypt.arguments.encode(shuffled), parts, 'values are encoded in the order of the fields');
  t.same(
    jobs.reEncrypt.arguments.keys.map((part) => parts[part]),
    [id, destinationId],
    'the arguments that are keys are known',
  );
  const mechanism = { type: 13, pss: { hash: 0x250, mgf: 2, saltLength: 32 } };
  const signing = { id, mechanism, conversion: 'ecdsa-der-66', data: aad } as const;
  const signed = jobs.sign.arguments.encode(signing);
  t.same(jobs.sign.arguments.decode(signed), signing);
  t.equal(
    jobs.sign.arguments.decode(signed).mechanism,
    jobs.sign.arguments.decode(jobs.sign.arguments.encode(signing)).mechanism,
    'a mechanism is decoded once',
  );
  const contents = [Buffer.alloc(0), aad];
  t.same(jobs.readData.result.decode(jobs.readData.result.encode({ contents })), { contents });
  t.same(jobs.verify.result.decode(jobs.verify.result.encode({ isValid: false })), { isValid: false });
  t.end();
});

void t.test('bytes that do not fit a job are refused', (t) => {
  t.throws(() => jobs.encrypt.arguments.decode([]), { code: 'internal', message: /0 parts, not 4/ });
  const [id = Buffer.alloc(0), , aad = id, plaintext = id] = jobs.encrypt.arguments.encode({
    ...{ id: randomBytes(16), suite: 1, aad: Buffer.of(1), plaintext: Buffer.of(2) },
  });
  t.throws(() => jobs.encrypt.arguments.decode([id, Buffer.of(9), aad, plaintext]), { code: 'internal' });
  t.throws(() => jobs.encrypt.arguments.decode([id, Buffer.alloc(0), aad, plaintext]), { code: 'internal' });
  for (const length of [0, 1025, 1.5])
    t.throws(() => jobs.random.arguments.encode({ length }), { code: 'internal' }, String(length));
  t.end();
});

void t.test('every job has its own number', (t) => {
  t.same(
    jobsByCode.map(({ code }) => code),
    jobsByCode.map((_, index) => index),
  );
  t.ok(jobsByCode.length < 256, 'the number fits the one byte that a frame has for it');
  t.same(
    jobsByCode.map(({ name }) => name),
    Object.keys(jobs),
  );
  t.end();
});
