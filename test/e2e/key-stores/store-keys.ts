// Creates and watches keys in custom key stores.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '../../../client/index.js';
import type { KeyMetadata, KeySpec, KeyUsageType } from '../../../proto/generated/messages.js';

/** Creates a key in a custom key store, or in the default one. */
export async function newKey(
  client: Client,
  customKeyStoreId: string | undefined,
  keySpec?: KeySpec,
  keyUsage?: KeyUsageType,
): Promise<KeyMetadata & { keyId: string }> {
  const place = customKeyStoreId === undefined ? {} : ({ customKeyStoreId, origin: 'AWS_CLOUDHSM' } as const);
  const { keyMetadata } = await client.createKey({ keySpec, keyUsage, ...place });
  return keyMetadata;
}

export async function stateOf(client: Client, keyId: string): Promise<string> {
  return (await client.describeKey({ keyId })).keyMetadata.keyState;
}

/** Waits for a condition. @param within milliseconds @returns whether it became true in time */
export async function until(condition: () => Promise<boolean> | boolean, within = 30_000): Promise<boolean> {
  for (const end = Date.now() + within; Date.now() < end; await sleep(10)) if (await condition()) return true;
  return condition();
}
