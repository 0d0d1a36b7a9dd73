// Shared by the tests of the audit log: a log with a software checkpoint key, and its lines.
import { createPrivateKey, createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CheckpointSigner } from '../../daemon/audit/audit-log.js';
import { type AuditLogEvent, type AuditLogOptions, openAuditLog } from '../../daemon/audit/open.js';
import { recordHash } from '../../daemon/audit/chain.js';
import { type VerifyOptions, verifyLog } from '../../daemon/audit/verify.js';

/** A process that a test starts takes the key of the test from its environment. */
const variable = 'AUDIT_TEST_KEY';
const given = process.env[variable];
const privateKey = given
  ? createPrivateKey(given)
  : generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
const publicKey = createPublicKey(privateKey.export({ type: 'pkcs8', format: 'pem' }));

export const keyEnvironment = { [variable]: String(privateKey.export({ type: 'pkcs8', format: 'pem' })) };

export { publicKey };

export const signer: CheckpointSigner = {
  keyId: '00112233445566778899aabbccddeeff',
  sign: (message) => Promise.resolve(sign('sha256', message, privateKey)),
};

/** Account and Region of the events of the log itself. */
export const place = { account: '000000000000', region: 'us-east-1' };

/** The members of an event with a number and a text. */
export function members(number: number, text = 'a key – schlüssel'): string {
  return JSON.stringify({
    eventVersion: '1.11',
    eventName: 'Encrypt',
    eventID: `event-${number}`,
    text,
  }).slice(1, -1);
}

/** Opens a log and collects its events. */
export async function openLog(directory: string, options: Partial<AuditLogOptions> = {}) {
  const events: AuditLogEvent[] = [];
  const log = await openAuditLog({
    ...{ directory, signer, ...place, observe: (event) => events.push(event) },
    ...options,
  });
  return { log, events };
}

/** Waits until a condition is true; the test's own time-out limits the wait. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

/** The names of a directory's files, in order. */
export function fileNames(directory: string): string[] {
  return readdirSync(directory).sort();
}

/** All lines of a log, without their line feeds. */
export function readLog(directory: string): string[] {
  return fileNames(directory).flatMap((name) =>
    readFileSync(join(directory, name), 'utf8').split('\n').slice(0, -1),
  );
}

/** Writes a log of one file. */
export function writeLog(directory: string, lines: readonly string[]): void {
  writeFileSync(join(directory, 'audit-00000001.jsonl'), lines.map((line) => line + '\n').join(''));
}

/** Verifies with the checkpoint key of these tests. */
export function verify(directory: string, options: Partial<VerifyOptions> = {}) {
  return verifyLog({ directory, publicKey, ...options });
}

/** Computes the chain of lines again, as an attacker without a key could. */
export function chainAnew(lines: readonly string[]): string[] {
  let previous = '0'.repeat(64);
  return lines.map((line, index) => {
    const chained = line.replace(
      /^\{"sequence":\d+,"previous":"\w+",/,
      `{"sequence":${index + 1},"previous":"${previous}",`,
    );
    previous = recordHash(chained);
    return chained;
  });
}
