// What `keyhold restore` says.
import { existsSync } from 'node:fs';
import { inHome } from '../../config/load.js';
import { entryNames, type Manifest } from '../../backup/manifest.js';
import { homePaths } from '../../files/home.js';

/** The key that a backup was verified with. */
interface UsedKey {
  /** SHA-256 of its SubjectPublicKeyInfo, hex. */
  readonly fingerprint: string;
  /** Whether it came from elsewhere than the backup. */
  readonly isKnown: boolean;
}

/** Describes a verified backup. */
export function summaryOf(file: string, manifest: Manifest, key: UsedKey): string {
  const { madeAt, version, account, region, profile, store, audit, withToken, entries } = manifest;
  const files = entries.filter(({ name }) => name.startsWith(entryNames.home));
  const verified = key.isKnown
    ? `The backup ${file} is whole, and signed by this audit log's key (SHA-256 ${key.fingerprint}).`
    : `The backup ${file} is whole. It is signed by the key inside it (SHA-256 ${key.fingerprint}), so whether it is yours ` +
      'is not shown: compare that with your copy of audit-public-key.pem, or name it with --public-key.';
  return [
    verified,
    `made ${madeAt} by Keyhold ${version}, account ${account} in ${region}, profile ${profile}`,
    `metadata store: ${store.records} records, epoch ${store.epoch}`,
    `audit log: its newest record was ${audit.sequence}, ${audit.hash}; the log itself is not in the backup`,
    `token: ${withToken ? "SoftHSM2's files are in it, encrypted under the PIN" : 'not in it'}`,
    `files: ${files
      .map(({ name }) => name.slice(entryNames.home.length))
      .filter((name) => !name.startsWith('tokens/'))
      .join(', ')}`,
  ].join('\n');
}

/** What is left to do after a restore. */
export function nextSteps(home: string, { elsewhere, withToken, audit }: Manifest): string {
  const missing = elsewhere
    .filter(({ where }) => !where.startsWith('$') && !existsSync(inHome(home, where)))
    .map(({ what, where }) => `${where} (${what})`);
  const hasLog = existsSync(homePaths(home).audit);
  const steps = [
    ...(missing.length > 0
      ? [
          `Put back what no backup holds: ${missing.join('; ')}. Without the root's access key, 'keyhold recover root-credentials' ` +
            'makes a new one.',
        ]
      : []),
    ...(withToken ? [] : ['Connect the HSM, or restore its token by its own means.']),
    "Where newer changes than the backup reached the HSM, a start refuses the store: 'keyhold recover store' explains it, and " +
      "'keyhold recover store --accept-older-store' accepts it. Then look over policies, grants and access keys: what was revoked since counts again.",
    hasLog
      ? 'The audit log in the home stays as it is.'
      : `Put the newest audit log you have into ${homePaths(home).audit} (record ${audit.sequence} was its newest). Where it is lost, ` +
        "'keyhold recover audit --accept-loss' goes on without it, on record.",
    'Start the daemon.',
  ];
  return [
    `The backup was restored into ${home}. What to do next:`,
    ...steps.map((step, index) => `${index + 1}. ${step}`),
  ].join('\n');
}
