// In what a key falls short of what Keyhold promises of keys. Material that the HSM generated for Keyhold never does.
import { type KeyRecord, materialsOf } from './record.js';

const sentences: Readonly<Record<string, string>> = {
  CKA_ALWAYS_SENSITIVE: 'was readable in the clear once (CKA_ALWAYS_SENSITIVE is not true)',
  CKA_NEVER_EXTRACTABLE:
    'was extractable once, so there may be copies of it outside the HSM (CKA_NEVER_EXTRACTABLE is not true)',
  CKA_LOCAL: 'was not generated in this HSM (CKA_LOCAL is not true)',
  messages:
    'may have encrypted messages before, which do not count towards the limit of AES-GCM with random IVs; rotate the key',
};

/** @returns a sentence for each shortfall of each material; undefined where there is none */
export function shortfallsOf(record: KeyRecord): string[] | undefined {
  const list = materialsOf(record).flatMap(({ materialId, adopted, imported }) => {
    const name = `Key material ${materialId}`;
    const adoptedly = (adopted?.shortfalls ?? []).map(
      (shortfall) =>
        `${name} was adopted and ${sentences[shortfall] ?? `may be used for more than Keyhold uses it for (${shortfall})`}.`,
    );
    if (!imported?.leftHsm) return adoptedly;
    return [
      ...adoptedly,
      `${name} was in the memory of a process of Keyhold when it was imported, since the module of the HSM could not ` +
        'unwrap it there.',
    ];
  });
  return list.length > 0 ? list : undefined;
}
