// The openssl command as an independent check.
import { execFileSync } from 'node:child_process';
import { createPublicKey } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * Runs openssl in a temporary folder with some files.
 * @returns its standard output
 * @throws Error if its exit status is not 0
 */
export function openssl(
  args: readonly string[],
  files: Readonly<Record<string, string | Uint8Array>>,
): Buffer {
  const folder = mkdtempSync(join(tmpdir(), 'kh-openssl-'));
  try {
    for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
    return execFileSync('openssl', args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Converts a SubjectPublicKeyInfo from DER to PEM. */
export function toPem(der: Uint8Array): string {
  const key = createPublicKey({ key: Buffer.from(der), type: 'spki', format: 'der' });
  return key.export({ type: 'spki', format: 'pem' }).toString();
}
