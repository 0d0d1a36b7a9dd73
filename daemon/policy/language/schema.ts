// The elements of a policy document and their types (IAM User Guide, "Grammar of the IAM JSON policy language"). Their
// content is checked when it is compiled.
import { z } from 'zod';
import { parseJson } from './json.js';
import { DocumentPath, quote } from './document-path.js';

/** A scalar or a list of them, as a list. */
function listOf<T extends z.ZodType>(item: T, what: string) {
  return z.preprocess(
    (value): unknown[] => (Array.isArray(value) ? value : [value]),
    z.array(item, { error: `It must be ${what} or a list of them.` }),
  );
}

const strings = listOf(z.string({ error: 'It must be a string.' }), 'a string');
const values = listOf(
  z.union([z.string(), z.number().transform(String), z.boolean().transform(String)], {
    error: 'It must be a string, a number or a Boolean.',
  }),
  'a value',
);

const principal = z.preprocess(
  (value) => (value === '*' ? { AWS: ['*'] } : value),
  z.strictObject(
    {
      AWS: strings.optional(),
      Service: strings.optional(),
      Federated: strings.optional(),
      CanonicalUser: strings.optional(),
    },
    { error: (issue) => unknownMember(issue, 'It must be "*" or an object such as {"AWS": "…"}.') },
  ),
);

const object = 'It must be an object.';

const statement = z.strictObject(
  {
    Sid: z.string({ error: 'It must be a string.' }).optional(),
    Effect: z.enum(['Allow', 'Deny'], { error: 'It must be "Allow" or "Deny".' }),
    Principal: principal.optional(),
    NotPrincipal: principal.optional(),
    Action: strings.optional(),
    NotAction: strings.optional(),
    Resource: strings.optional(),
    NotResource: strings.optional(),
    Condition: z
      .record(z.string(), z.record(z.string(), values, { error: object }), { error: object })
      .optional(),
  },
  { error: (issue) => unknownMember(issue, object) },
);

const document = z.strictObject(
  {
    Version: z
      .enum(['2012-10-17', '2008-10-17'], { error: 'It must be "2012-10-17" or "2008-10-17".' })
      .default('2008-10-17'),
    Id: z.string({ error: 'It must be a string.' }).optional(),
    Statement: z.unknown().optional(),
  },
  { error: (issue) => unknownMember(issue, 'A policy document is a JSON object.') },
);

/** A parsed statement. */
export type RawStatement = z.output<typeof statement>;
/** A parsed Principal or NotPrincipal. */
export type RawPrincipal = z.output<typeof principal>;

/** A parsed document. */
export interface RawDocument {
  readonly at: DocumentPath;
  readonly version: '2012-10-17' | '2008-10-17';
  readonly id: string | undefined;
  readonly statements: readonly { readonly at: DocumentPath; readonly raw: RawStatement }[];
}

/**
 * Parses a policy document and checks the types of its elements.
 * @throws PolicyError (malformed-policy)
 */
export function readDocument(text: string): RawDocument {
  const top = new DocumentPath('');
  const { Version: version, Id: id, Statement: given } = decode(document, parseJson(text), top);
  const at = top.member('Statement');
  if (given === undefined) top.fail('It has no Statement.');
  if (!Array.isArray(given))
    return { at: top, version, id, statements: [{ at, raw: decode(statement, given, at) }] };
  if (given.length === 0) at.fail('It must have at least one statement.');
  const statements = given.map((item: unknown, index) => {
    const place = at.item(index);
    return { at: place, raw: decode(statement, item, place) };
  });
  return { at: top, version, id, statements };
}

function decode<T extends z.ZodType>(schema: T, value: unknown, at: DocumentPath): z.output<T> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const { path, message } = result.error.issues[0]!;
  let place = at;
  let inner = value;
  for (const step of path) {
    // A scalar in place of a list has no index in the document.
    if (typeof step !== 'number') place = place.member(String(step));
    else if (Array.isArray(inner)) place = place.item(step);
    else break;
    inner = (inner as Record<string, unknown> | undefined)?.[String(step)];
  }
  return place.fail(message);
}

function unknownMember(
  issue: { readonly code?: string; readonly keys?: unknown },
  otherwise: string,
): string {
  if (issue.code !== 'unrecognized_keys') return otherwise;
  return `There is no element ${(issue.keys as string[]).map(quote).join(', ')} here.`;
}
