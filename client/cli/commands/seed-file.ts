// The file of `keyhold seed`.
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import * as z from 'zod';
import { parseYaml } from '../../../proto/yaml.js';
import { shapeByName } from '../../../proto/schema/descriptor.js';
import type { KeySpec, KeyUsageType, SeedKeyRequest } from '../../../proto/generated/messages.js';
import { UsageError } from '../input/values.js';

/** Makes a zod enum with the values of a field's enum in the schema. */
function valueOf<Value extends string>(field: string) {
  const values = [...(shapeByName.get('SeedKey')?.request.byName.get(field)?.numbers?.keys() ?? [])];
  return z.enum(values as [Value, ...Value[]]);
}

const material = z
  .strictObject({
    base64: z.base64().min(1).optional(),
    hex: z
      .string()
      .regex(/^([0-9a-fA-F]{2})+$/, 'pairs of hex digits')
      .optional(),
    /** Relative to the seed file. */
    file: z.string().min(1).optional(),
  })
  .refine((given) => Object.values(given).filter((value) => value !== undefined).length === 1, {
    message: "name exactly one of 'base64', 'hex' and 'file'",
  });

const seedKey = z.strictObject({
  keyId: z
    .string()
    .regex(
      /^([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|mrk-[0-9a-f]{32})$/,
      'a UUID in small letters, or mrk- and 32 hex digits',
    ),
  keySpec: valueOf<KeySpec>('keySpec').optional(),
  keyUsage: valueOf<KeyUsageType>('keyUsage').optional(),
  description: z.string().max(8_192).optional(),
  enabled: z.boolean().optional(),
  aliases: z.array(z.string().regex(/^alias\/[a-zA-Z0-9/_-]+$/, 'alias/ and a name')).optional(),
  tags: z.record(z.string().min(1).max(128), z.string().max(256)).optional(),
  /** A policy document, as an object or as a string. */
  policy: z.union([z.string().min(1), z.record(z.string(), z.unknown())]).optional(),
  rotationPeriodInDays: z.number().int().min(90).max(2_560).optional(),
  material: material.optional(),
});

const seedFile = z
  .strictObject({ keys: z.array(seedKey).min(1) })
  .refine(({ keys }) => areDistinct(keys.map(({ keyId }) => keyId)), {
    message: 'a key id is there twice',
    path: ['keys'],
  })
  .refine(({ keys }) => areDistinct(keys.flatMap(({ aliases = [] }) => aliases)), {
    message: 'an alias is there twice',
    path: ['keys'],
  });

function areDistinct(names: readonly string[]): boolean {
  return new Set(names).size === names.length;
}

/**
 * Reads a seed file. Errors never quote it, since it may contain key material.
 * @throws UsageError that names file, line and key for each fault
 */
export function readSeedFile(path: string): SeedKeyRequest[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new UsageError(`${path} cannot be read (${(error as NodeJS.ErrnoException).code ?? ''}).`);
  }
  const parsed = parseYaml(text, seedFile);
  if ('syntax' in parsed)
    throw new UsageError(`${path}:${parsed.syntax.line}: this is not YAML (${parsed.syntax.code}).`);
  if ('faults' in parsed) {
    const faults = parsed.faults.map(
      ({ line, path: key, message }) => `${path}:${line}: '${key}': ${message}`,
    );
    throw new UsageError(faults.join('\n'));
  }
  return parsed.data.keys.map((key) => toRequest(key, path));
}

function toRequest(
  { tags, policy, material: given, ...rest }: z.output<typeof seedKey>,
  path: string,
): SeedKeyRequest {
  return {
    ...rest,
    tags: tags && Object.entries(tags).map(([tagKey, tagValue]) => ({ tagKey, tagValue })),
    policy: typeof policy === 'object' ? JSON.stringify(policy) : policy,
    keyMaterial: given && readMaterial(given, path),
  };
}

function readMaterial({ base64, hex, file }: z.output<typeof material>, path: string): Buffer {
  if (base64 !== undefined) return Buffer.from(base64, 'base64');
  if (hex !== undefined) return Buffer.from(hex, 'hex');
  const materialPath = resolve(dirname(path), file!);
  let bytes: Buffer;
  try {
    bytes = readFileSync(materialPath);
  } catch (error) {
    throw new UsageError(
      `${path}: the material ${materialPath} cannot be read (${(error as NodeJS.ErrnoException).code ?? ''}).`,
    );
  }
  if (bytes.subarray(0, pemStart.length).toString('latin1') !== pemStart) return bytes;
  bytes.fill(0);
  throw new UsageError(
    `${path}: the material ${materialPath} is PEM; a private key is given in unencrypted PKCS#8 DER: ` +
      `openssl pkcs8 -topk8 -nocrypt -in ${file} -outform DER -out ${file}.der`,
  );
}

const pemStart = '-----BEGIN ';
