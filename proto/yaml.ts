// Parses YAML files that people write, and reports the line of each mistake.
import { type Document, isNode, isPair, LineCounter, parseDocument } from 'yaml';
import type { z } from 'zod';

/** The result of {@link parseYaml}: the data, a syntax error, or violations of the schema. */
export type ParsedYaml<T> =
  { readonly data: T } | { readonly syntax: SyntaxFault } | { readonly faults: readonly Fault[] };

/** A syntax error of YAML. */
export interface SyntaxFault {
  /** From 1. */
  readonly line: number;
  /** The error code of the library yaml, such as `BAD_INDENT`. */
  readonly code: string;
  /** Quotes parts of the text, which may be secret. */
  readonly message: string;
}

/** A violation of the schema. */
export interface Fault {
  /** The line of the deepest part of the path that is in the text, from 1. */
  readonly line: number;
  /** Such as `audit.sinks.0.port`. */
  readonly path: string;
  readonly message: string;
}

/** Parses YAML and validates it against a schema. */
export function parseYaml<Schema extends z.ZodType>(
  text: string,
  schema: Schema,
): ParsedYaml<z.output<Schema>> {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const error = document.errors[0];
  if (error) {
    const line = error.linePos?.[0].line ?? 1;
    return { syntax: { line, code: error.code, message: error.message.split('\n')[0] ?? '' } };
  }
  const parsed = schema.safeParse(document.toJS());
  if (parsed.success) return { data: parsed.data };
  const faults = parsed.error.issues.map((issue) => {
    const path = issue.code === 'unrecognized_keys' ? [...issue.path, issue.keys[0] ?? ''] : issue.path;
    return { line: lineOf(document, lines, path), path: path.join('.'), message: issue.message };
  });
  return { faults };
}

function lineOf(document: Document, lines: LineCounter, path: readonly PropertyKey[]): number {
  let node: unknown = document.contents;
  let line = 1;
  for (const name of path) {
    const collection = node as { items?: unknown[] } | undefined;
    const item: unknown =
      typeof name === 'number'
        ? collection?.items?.[name]
        : collection?.items?.find((each) => isPair(each) && isNode(each.key) && String(each.key) === name);
    const here: unknown = isPair(item) ? item.key : item;
    if (!isNode(here) || !here.range) return line;
    line = lines.linePos(here.range[0]).line;
    node = isPair(item) ? item.value : item;
  }
  return line;
}
