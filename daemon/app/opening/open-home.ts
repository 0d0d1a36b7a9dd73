// Opens the parts of a home, for the daemon and for programs: the instance, its records and its audit log.
import { readAnchor } from './anchor.js';
import { AuditError } from '../../audit/audit-log.js';
import { describeHeadMismatch, findHeadMismatch, type HeadMismatch } from '../../audit/expected-head.js';
import { openAuditLog } from '../../audit/open.js';
import { ConfigError } from '../../config/load.js';
import type { Config } from '../../config/schema.js';
import type { KeyStore } from '../../hsm/key-store.js';
import {
  checkInternalKeys,
  type Instance,
  instanceKey,
  instanceRecordKey,
  instanceText,
  internalObjectId,
  parseInstance,
  readInstance,
} from './instance.js';
import { ecdsaSha256, hmacSha256 } from '../../keys/index.js';
import type { Logger } from '../../observability/log.js';
import { makeServiceEvent } from '../../audit/event.js';
import { AuditOutbox } from '../../journal/audit-outbox.js';
import {
  type IntegrityFailure,
  integrityError,
  compareWithAnchor,
} from '../../store/records/integrity-failures.js';
import { refuseUnknownKinds } from '../../store/records/record-kinds.js';
import { Records } from '../../store/records/records.js';
import type { Anchor, LogHead } from '../../store/records/root.js';
import { type MetadataStore, StoreError } from '../../store/store.js';
import { homePaths } from '../../files/home.js';

/**
 * Reads the instance of a store, and checks that the configuration fits it.
 * @throws ConfigError if there is none, or it is of another account or Region; StoreError 'newer', 'corrupt'
 */
export async function readOwnInstance(store: MetadataStore, config: Config): Promise<Instance> {
  const instance = await readInstance(store);
  if (!instance) {
    throw new ConfigError(
      "The metadata store has no instance record: restore it from a backup. Where 'keyhold init' was interrupted, and nothing else " +
        'was done, run it again: it finishes what it began.',
    );
  }
  if (instance.account !== config.account || instance.region !== config.region) {
    const own = `account ${instance.account} in ${instance.region}`;
    throw new ConfigError(
      `keyhold.yaml names another account or Region than this home was made for (${own}).`,
    );
  }
  return instance;
}

/** The records of a home, and their anchor in the HSM. */
export interface OpenedRecords {
  readonly records: Records;
  readonly anchor: Anchor | undefined;
}

/**
 * Reads the records, and returns an integrity failure of the whole store instead of throwing it.
 * @returns `broken`: that failure; `isRooted`: false if the store was made before stores had a root
 * @throws StoreError 'corrupt', 'newer', HsmError
 */
export async function readRecords(
  store: MetadataStore,
  instance: Instance,
  keyStore: KeyStore,
): Promise<OpenedRecords & { readonly broken: IntegrityFailure | undefined; readonly isRooted: boolean }> {
  checkInternalKeys(instance, keyStore);
  const macKey = internalObjectId(instance, 'record-mac');
  const mac = (message: Buffer) => keyStore.sign(macKey, hmacSha256, 'none', message);
  const records = await Records.read(store, instance.storeId, mac);
  refuseUnknownKinds(records.keys(''));
  const copy = records.get(instanceRecordKey);
  if (copy === undefined || instanceText(parseInstance(copy)) !== instanceText(instance)) {
    throw new StoreError(
      'corrupt',
      'The instance record was changed outside Keyhold: restore the store from a backup.',
    );
  }
  // The copy decides, because it has a MAC. It is written first, so after a crash the copy is never older than the instance.
  const isRooted = parseInstance(copy).format === 2 || instance.format === 2;
  const anchor = await readAnchor(keyStore, instance);
  return { records, anchor, broken: integrityFailureOf(records, anchor, isRooted), isRooted };
}

function integrityFailureOf(
  records: Records,
  anchor: Anchor | undefined,
  isRooted: boolean,
): IntegrityFailure | undefined {
  const { root, broken, size } = records;
  if (!broken) return root && compareWithAnchor(root, anchor, size);
  const isFirstStart = broken.kind === 'no-root' && !isRooted && !anchor;
  return isFirstStart ? undefined : { ...broken, anchor };
}

/**
 * Reads the records, and adds a root to the store of an earlier Keyhold.
 * @throws StoreError 'corrupt', 'rolled-back', HsmError
 */
export async function loadRecords(
  store: MetadataStore,
  instance: Instance,
  keyStore: KeyStore,
): Promise<OpenedRecords> {
  const { records, anchor, broken, isRooted } = await readRecords(store, instance, keyStore);
  if (broken) throw integrityError(broken);
  if (!isRooted) {
    const event = makeServiceEvent('UpgradeStore', instance.account, instance.region, {
      records: records.size,
      reason: 'it was made before metadata stores had an authenticated root',
    });
    await records.commit([rootedInstance(instance), AuditOutbox.before(event)]);
  }
  await storeInstance(store, instance);
  return { records, anchor };
}

/** The change that marks a store as one that must have a root. */
export function rootedInstance(instance: Instance) {
  return { key: instanceRecordKey, value: instanceText(instance) };
}

/** Updates the instance outside the records to the newest format. */
export async function storeInstance(store: MetadataStore, instance: Instance): Promise<void> {
  if (instance.format === 2) return;
  await store.batch([{ type: 'put', key: instanceKey, value: Buffer.from(instanceText(instance)) }]);
}

/** The newest record that the audit log of a home is known to have held; undefined: an earlier Keyhold ran there last. */
export function expectedLogHead({ records: { root }, anchor }: OpenedRecords): LogHead | undefined {
  const isOlder = (root?.epoch ?? 0) < (anchor?.epoch ?? 0);
  return isOlder ? (anchor?.audit ?? root?.audit) : (root?.audit ?? anchor?.audit);
}

/** How the audit log of a home differs from what its records expect; undefined if it does not. */
export function auditMismatch(home: string, opened: OpenedRecords): HeadMismatch | undefined {
  const expected = expectedLogHead(opened);
  return expected && findHeadMismatch(homePaths(home).audit, expected);
}

/**
 * Checks the audit log of a home against the store's root and the HSM's anchor.
 * @throws AuditError if it was cut, emptied, replaced or deleted
 */
export function checkAudit(home: string, opened: OpenedRecords): void {
  const broken = auditMismatch(home, opened);
  if (!broken) return;
  throw new AuditError(
    `The audit log in ${homePaths(home).audit} was changed while the daemon was stopped. ${describeHeadMismatch(broken)} ` +
      'Put the newest log back; where it is lost for good, `keyhold recover audit` explains what is missing, and puts it on record.',
  );
}

/** Audit log event hooks. */
export interface AuditHooks {
  /** Called when the log works again after a failure, with the number of pending records that were written. */
  readonly recovered?: (written: number) => Promise<void>;
  /** Called when more records are durable. */
  readonly durable?: () => void;
  /** Called after a checkpoint was written. */
  readonly checkpoint?: () => void;
  /** Returns how many requests are executing. */
  readonly underWay?: () => number;
}

/** Milliseconds after which a lasting failure is logged again. */
const repeatAfter = 10 * 60_000;

/** Decides which failures to log, if many are the same. */
function newsFilter(): (error: unknown) => boolean {
  let last: { text: string; at: number } | undefined;
  return (error) => {
    const [text, at] = [String(error), performance.now()];
    if (last?.text === text && at - last.at < repeatAfter) return false;
    last = { text, at };
    return true;
  };
}

/** Signs a message with the audit log's key. @returns ECDSA P-256 over its SHA-256, DER @throws HsmError */
export function signForAudit(instance: Instance, keyStore: KeyStore, message: Buffer): Promise<Buffer> {
  return ecdsaSha256(keyStore, internalObjectId(instance, 'audit-signing'), message);
}

/** Opens the audit log of a home, with checkpoints signed by the HSM. @throws AuditError */
export function openAudit(
  home: string,
  config: Config,
  instance: Instance,
  keyStore: KeyStore,
  log: Logger,
  hooks: AuditHooks = {},
) {
  const signingKey = internalObjectId(instance, 'audit-signing');
  const isNews = newsFilter();
  return openAuditLog({
    directory: homePaths(home).audit,
    account: instance.account,
    region: instance.region,
    signer: {
      keyId: signingKey.toString('hex'),
      sign: (message) => signForAudit(instance, keyStore, message),
    },
    observe: (event) => {
      if (event.type !== 'failed' || isNews(event.error))
        log[event.type === 'checkpoint' ? 'debug' : 'error'](event, `audit log: ${event.type}`);
      if (event.type === 'recovered')
        hooks.recovered?.(event.written).catch((error: unknown) => {
          log.error({ err: error }, 'audit events that are still pending could not be written yet');
        });
      if (event.type === 'checkpoint') hooks.checkpoint?.();
    },
    durable: hooks.durable,
    underWay: hooks.underWay,
    maxFileSize: config.audit.fileBytes,
    checkpointRecords: config.audit.checkpointRecords,
    checkpointInterval: config.audit.checkpointSeconds * 1000,
  });
}
