// Members beyond the bounds in AWS KMS's own service model are refused in AWS's words. botocore ships the model.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { z } from 'zod';
import { send } from '../../support/aws/aws-request.js';
import { TestDaemon } from '../../support/daemon.js';

const folder = '/usr/lib/python3/dist-packages/botocore/data/kms';

const shapeSchema = z.object({
  type: z.string(),
  required: z.array(z.string()).default([]),
  members: z.record(z.string(), z.object({ shape: z.string() })).default({}),
  member: z.object({ shape: z.string() }).optional(),
  enum: z.array(z.string()).optional(),
  min: z.number().optional(),
  max: z.number().optional(),
  pattern: z.string().optional(),
});
const modelSchema = z.object({
  operations: z.record(z.string(), z.object({ input: z.object({ shape: z.string() }).optional() })),
  shapes: z.record(z.string(), shapeSchema),
});
type Shape = z.infer<typeof shapeSchema>;
type Json = Record<string, unknown>;

/** A value that is refused, and the words of the refusal. */
interface Wrong {
  readonly value: unknown;
  readonly constraint: RegExp;
}

/** A value within all bounds that a shape has. */
function good(shapes: Readonly<Record<string, Shape>>, name: string): unknown {
  const shape = shapes[name]!;
  if (shape.enum) return shape.enum[0];
  if (shape.type === 'structure')
    return Object.fromEntries(
      shape.required.map((member) => [member, good(shapes, shape.members[member]!.shape)]),
    );
  if (shape.type === 'list') return [good(shapes, shape.member!.shape)];
  if (shape.type === 'map') return { a: 'b' };
  if (shape.type === 'integer') return shape.min ?? 1;
  if (shape.type === 'boolean') return false;
  if (shape.type === 'timestamp') return 2_000_000_000;
  const text = 'a'.repeat(shape.min ?? 1);
  return shape.type === 'blob' ? Buffer.from(text).toString('base64') : text;
}

function wrongValues({ type, enum: values, min, max, pattern }: Shape): Wrong[] {
  if (values) return [{ value: 'NONE', constraint: /enum value set: \[/ }];
  const wrong: Wrong[] = [];
  const bounded = type === 'integer' ? 'value' : 'length';
  const sized = (size: number): unknown => {
    if (type === 'integer') return size;
    if (type === 'list') return Array.from({ length: size }, (_each, index) => `a${index}`);
    return type === 'blob' ? Buffer.alloc(size).toString('base64') : 'a'.repeat(size);
  };
  if (min !== undefined && min > 0)
    wrong.push({
      value: sized(min - 1),
      constraint: RegExp(`${bounded} greater than or equal to ${min}\\]?$`),
    });
  if (max !== undefined)
    wrong.push({
      value: sized(max + 1),
      constraint: RegExp(`${bounded} less than or equal to ${max}(, .*\\])?$`),
    });
  if (pattern !== undefined && type === 'string')
    wrong.push({ value: '\u4e00'.repeat(min ?? 1), constraint: /regular expression pattern: / });
  return wrong;
}

const version = existsSync(folder) ? readdirSync(folder).sort().at(-1) : undefined;
const absent =
  version === undefined &&
  'botocore is absent: apt-get install python3-boto3, or use scripts/test, which does';
if (absent !== false) console.error(`NOT TESTED: ${absent}`);

/** A request that is refused, and the reason. */
interface Case {
  readonly operation: string;
  /** Path of the member, as AWS writes it. */
  readonly path: string;
  readonly body: Json;
  readonly constraint: RegExp;
}

/** Each member of a structure with each value beyond its bounds. @param wrap puts the structure into the request */
function* casesOf(
  shapes: Readonly<Record<string, Shape>>,
  operation: string,
  name: string,
  prefix = '',
  wrap: (inner: Json) => Json = (inner) => inner,
): Generator<Case> {
  const { members, required } = shapes[name]!;
  const base = good(shapes, name) as Json;
  for (const [member, { shape }] of Object.entries(members)) {
    const path = prefix + member.charAt(0).toLowerCase() + member.slice(1);
    const set = (value: unknown) => wrap({ ...base, [member]: value });
    if (required.includes(member))
      yield { operation, path, body: set(undefined), constraint: /not be null$/ };
    for (const { value, constraint } of wrongValues(shapes[shape]!))
      yield { operation, path, body: set(value), constraint };
    const item = shapes[shape]!.member?.shape;
    if (shapes[shape]!.type === 'structure') {
      yield* casesOf(shapes, operation, shape, `${path}.`, set);
    } else if (item !== undefined && shapes[item]!.type === 'structure') {
      yield* casesOf(shapes, operation, item, `${path}.1.member.`, (inner) => set([inner]));
    } else if (item !== undefined) {
      for (const { value, constraint } of wrongValues(shapes[item]!))
        yield { operation, path, body: set([value]), constraint };
    }
  }
}

/** One of the faults that a message names. */
const fault =
  /^(?:\d+ validation errors? detected: )?Value .*?at '([^']*)' failed to satisfy constraint: Member must (.*)$/s;

/** Where Keyhold differs from the model, which is of 2022 and lacks some rules of the API reference. */
const known: readonly (readonly [RegExp, string])[] = [
  [/xks.*pattern/i, 'external key stores are refused whatever their parameters are'],
  [/^CreateGrant granteePrincipal .*null/, 'optional since a grantee may be a service'],
  [/^ListRetirableGrants retiringPrincipal .*null/, 'optional since a retiring principal may be a service'],
  [/KeyPolicy policyName .*null/, 'optional since 2023'],
  [/^(Decrypt|ReEncrypt) ciphertextBlob .*null/, 'optional since a dry run may ignore it'],
  [
    /^(ListAliases|ListGrants|ListRetirableGrants|ListResourceTags) limit .*less/,
    '100, and 50 of tags, in the reference',
  ],
  [/^ScheduleKeyDeletion pendingWindowInDays/, '7 to 30 in the reference'],
];

void t.test(
  "the bounds of AWS KMS's own model are enforced",
  { skip: absent, timeout: 240_000 },
  async (t) => {
    const text = readFileSync(join(folder, version!, 'service-2.json'), 'utf8');
    const { operations, shapes } = modelSchema.parse(JSON.parse(text));
    const daemon = await TestDaemon.start(t);
    const cases = Object.entries(operations).flatMap(([operation, { input }]) =>
      input ? [...casesOf(shapes, operation, input.shape)] : [],
    );
    t.ok(cases.length > 300, `${cases.length} values`);
    const differences: string[] = [];
    const met = new Set<number>();
    const left = cases.values();
    const lane = async () => {
      for (const { operation, path, body, constraint } of left) {
        const reply = await send(daemon, { operation, body: JSON.stringify(body), over: 'unix' });
        const { status, __type, message = '' } = reply;
        const isTold = message.split('; ').some((each) => {
          const [, at, words = ''] = fault.exec(each) ?? [];
          return at === path && constraint.test(words);
        });
        if (status === 400 && __type === 'ValidationException' && isTold) continue;
        const what = `${operation} ${path} ${String(constraint)}`;
        const row = known.findIndex(([pattern]) => pattern.test(what));
        if (row >= 0 && status === 400) met.add(row);
        else differences.push(`${what}: ${status} ${__type} ${message.slice(0, 200)}`);
      }
    };
    await Promise.all(Array.from({ length: 8 }, lane));
    t.strictSame(differences, []);
    t.equal(met.size, known.length, 'each of the known differences still exists');
  },
);
