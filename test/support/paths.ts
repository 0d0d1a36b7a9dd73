import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The checkout's folder; tests run compiled, from dist/test. */
export const checkout = fileURLToPath(new URL('../../../', import.meta.url));

/**
 * Published vectors, which lie beside the checkout or where an environment variable says, and never in it.
 * @returns undefined where they are absent; the test then says so
 */
export function vectors(folder: string, variable: string): string | undefined {
  const path = process.env[variable] ?? join(checkout, '../shared/vectors', folder);
  return existsSync(path) ? path : undefined;
}
