// The token as another program sees it: a separate process with its own session.
import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { z } from 'zod';

const program = fileURLToPath(new URL('token-process.js', import.meta.url));

const tokenObjects = z.array(
  z.object({
    class: z.number(),
    /** CKA_ID in hex. */
    id: z.string(),
    label: z.string(),
    /** Of secret and private keys: CKA_SENSITIVE and not CKA_EXTRACTABLE. */
    secret: z.boolean(),
    /**
     * Without name and content: SoftHSM writes a new object file in dozens of steps, and the CKA_ID is not among
     * the first. A process killed in between leaves an object that cannot be used or attributed.
     */
    torn: z.boolean(),
  }),
);

export type ObservedObject = z.output<typeof tokenObjects>[number];

async function run(home: string, command: 'list' | 'plant'): Promise<string> {
  const env = { ...process.env, KEYHOLD_HOME: home, SOFTHSM2_CONF: join(home, 'tokens/softhsm2.conf') };
  const maxBuffer = 64 * 1024 * 1024;
  return (await promisify(execFile)(process.execPath, [program, command], { env, maxBuffer })).stdout;
}

/** Every object of the home's token. */
export async function listToken(home: string): Promise<ObservedObject[]> {
  return tokenObjects.parse(JSON.parse(await run(home, 'list')));
}

/** Puts foreign objects into the token, one of them with a label like Keyhold's own. */
export async function plantForeign(home: string): Promise<void> {
  await run(home, 'plant');
}

/** Number of SoftHSM's object files. */
export function objectFiles(home: string): number {
  const files = readdirSync(join(home, 'tokens/softhsm2'), { recursive: true, encoding: 'utf8' });
  return files.filter((name) => name.endsWith('.object') && !name.endsWith('token.object')).length;
}
