// Warnings about materials that fall short of those that the HSM generates for Keyhold, or that are missing in the HSM.
import type { Key } from '../key.js';
import { materialsOf } from '../record.js';
import { isRotatable } from './rotation.js';

const sentences: Readonly<Record<string, string>> = {
  CKA_ALWAYS_SENSITIVE: 'was readable in the clear once (CKA_ALWAYS_SENSITIVE is not true)',
  CKA_NEVER_EXTRACTABLE:
    'was extractable once, so there may be copies of it outside the HSM (CKA_NEVER_EXTRACTABLE is not true)',
  CKA_LOCAL: 'was not generated in this HSM (CKA_LOCAL is not true)',
  messages:
    'may have encrypted messages before, which do not count towards the limit of AES-GCM with random IVs; rotate the key',
};

/** Returns a warning if the material is missing. While its store is not connected, that is unknown. */
function missingOf(key: Key, materialId: string): string[] {
  const missing = key.material(materialId)?.missing;
  if (missing === undefined || missing === 'all') return [];
  const isCurrent = key.record.materials.at(-1)?.materialId === materialId;
  const name = `Key material ${materialId}${isCurrent ? ', the current one,' : ''}`;
  if (missing === 'public')
    return [`${name} lacks its public key in the HSM: nothing can be verified or encrypted with it there.`];
  const wayOut = isCurrent ? waysOut(key) : '';
  return [
    `${name} is missing in the HSM: what it encrypted cannot be decrypted until the token is restored.${wayOut}`,
  ];
}

function waysOut({ record }: Key): string {
  if (record.origin === 'EXTERNAL') return ' Import it again.';
  return isRotatable(record) ? ' RotateKeyOnDemand gives the key a new one.' : '';
}

/** Returns a sentence for each shortfall of each material of a key. @returns undefined if there are none */
export function shortfallsOf(key: Key): string[] | undefined {
  const { record } = key;
  const list = materialsOf(record).flatMap(({ materialId, adopted, imported }) => {
    const name = `Key material ${materialId}`;
    const adoptedly = (adopted?.shortfalls ?? []).map(
      (shortfall) =>
        `${name} was adopted and ${sentences[shortfall] ?? `may be used for more than Keyhold uses it for (${shortfall})`}.`,
    );
    const all = [...adoptedly, ...missingOf(key, materialId)];
    if (!imported?.leftHsm) return all;
    return [
      ...all,
      `${name} was in the memory of a process of Keyhold when it was imported, since the module of the HSM could not ` +
        'unwrap it there.',
    ];
  });
  return list.length > 0 ? list : undefined;
}
