import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The checkout's folder; tests run compiled, from dist/test. */
export const checkout = fileURLToPath(new URL('../../../', import.meta.url));

/**
 * The folder of published vectors, beside the checkout or named by an environment variable; they are never in the checkout.
 * @returns undefined if they are missing; the test then says so
 */
export function vectors(folder: string, variable: string): string | undefined {
  const path = process.env[variable] ?? join(checkout, '../shared/vectors', folder);
  return existsSync(path) ? path : undefined;
}
