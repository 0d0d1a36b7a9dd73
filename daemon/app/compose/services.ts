// Phase 4: identities, the pipeline with its operations, and the background work.
import { defaultFieldLimits } from '../../config/schema.js';
import { AuditReader } from '../../audit/query/newest.js';
import { AccessKeys } from '../../identity/access-keys.js';
import { Authenticator } from '../../identity/authenticator.js';
import { ClientCertificates } from '../../identity/certificates/certificates.js';
import { FailedAuthentications } from '../../identity/failed-authentications.js';
import { Identities } from '../../identity/identities.js';
import { Sessions } from '../../identity/sessions/sessions.js';
import { Grants, hmacSha256 } from '../../keys/index.js';
import { Scheduler } from '../../lifecycle/scheduler.js';
import { TrustedClock } from '../../lifecycle/trusted-clock.js';
import { ManagedKeys } from '../../operations/kms/managed-keys.js';
import { peerHandler } from '../../operations/regions/table.js';
import { operationTable } from '../../operations/table.js';
import type { Admission } from '../../pipeline/admission/fair-queue.js';
import { makeFailureEvent } from '../../pipeline/audit-event.js';
import { fieldLimitCheck } from '../../pipeline/field-limits.js';
import { NotedRequests } from '../../pipeline/noted-requests.js';
import type { ResponseOf } from '../../pipeline/operation.js';
import { Replication } from '../../regions/replication.js';
import { Synchronizer } from '../../regions/synchronizer.js';
import { Pipeline } from '../../pipeline/pipeline.js';
import { RequestEnds } from '../../pipeline/request-ends.js';
import { upgradeLimitsOf } from '../../transports/gate.js';
import { Backups } from '../../backup/backups.js';
import { homePaths } from '../../files/home.js';
import { auditArchiver } from '../audit-archive.js';
import { backupContent, backupSigner } from '../backup-content.js';
import { internalObjectId } from '../opening/instance.js';
import type { Journal } from './journal.js';
import type { Keys } from './keys.js';
import type { Regions } from './regions.js';
import type { Settings } from './settings.js';
import type { Storage } from './storage.js';

/** Identities, the pipeline and the background work. */
export type Services = Awaited<ReturnType<typeof makeServices>>;

/** The phases before this one, and the queue of requests. */
export interface ServiceParts {
  readonly storage: Storage;
  readonly journal: Journal;
  readonly keys: Keys;
  readonly regions: Regions;
  readonly admission: Admission;
  /** Returns the status of the daemon; called only after all phases are done. */
  readonly status: () => ResponseOf<'GetStatus'>;
}

/** Makes the parts that decide about requests and execute them. @throws StoreError, HsmError */
export async function makeServices(
  { home, config, limits, loaded, log }: Settings,
  { storage, journal, keys, regions, admission, status }: ServiceParts,
) {
  const { audit, recorder } = journal;
  const { peers } = regions;
  const { store, records, keyStore, instance, startedAt } = storage;
  const { keyring, stores, materials, messageCounts, lastUsage, unknownMaterials } = keys;
  const { secrets, internalKeys, ownObjects, acts } = keys;
  const identities = new Identities(records, instance.account);
  const accessKeys = new AccessKeys(records, keyStore, secrets);
  const sessions = await Sessions.start(keyStore, secrets, instance.storeId, (message) =>
    keyStore.sign(internalObjectId(instance, 'record-mac'), hmacSha256, 'none', message),
  );
  const { tls } = loaded;
  const certificates = tls.clientTrust && new ClientCertificates(tls.clientTrust);
  const credentials = { identities, accessKeys, sessions, certificates };
  const authenticator = new Authenticator(credentials, instance, startedAt, upgradeLimitsOf(limits));
  const source = { home, store, instance, records, auditHead: () => audit.head };
  const backups = new Backups(
    homePaths(home).backups,
    (withToken) => backupContent(source, withToken),
    backupSigner(keyStore, instance),
  );
  const replication = new Replication(peers, keyring, records);
  const services = {
    grants: new Grants(records),
    identities,
    accessKeys,
    sessions,
    keyring,
    records,
    stores,
    materials,
    messageCounts,
    lastUsage,
    unknownMaterials,
    secrets,
    internalKeys,
    ownObjects,
    replication,
    auditReader: new AuditReader(homePaths(home).audit, journal.indexes),
    status,
    backups,
    ...regions.services,
    auditArchive: auditArchiver(home, journal),
    allowSeed: config.allowSeed,
    limits,
  };
  const managedKeys = new ManagedKeys(services, recorder);
  const checkLimits = fieldLimitCheck(limits, defaultFieldLimits);
  const ends = new RequestEnds(log);
  ends.logsRequests = config.accessLog;
  const noted = new NotedRequests(instance.account, instance.region, audit, ends, log);
  const pipeline = new Pipeline({
    operations: operationTable,
    services,
    audit,
    recorder,
    authenticator,
    managedKeys,
    admission,
    checkLimits,
    noted,
    ends,
    log,
  });
  const clock = await TrustedClock.open(records, config.deletionCautionHours);
  const scheduler = new Scheduler(keyring, acts, lastUsage, clock, log);
  const failures = new FailedAuthentications(limits.failedAuthentications, {
    record: async (summary) => {
      const { members } = makeFailureEvent(instance.account, instance.region, summary);
      await audit.append(members).catch((error: unknown) => {
        log.error({ err: error, ...summary }, 'failed authentications could not be recorded');
      });
    },
    logRest: (source, unlogged) =>
      log.warn({ source, unlogged }, 'further requests or connections were refused'),
  });
  const synchronizer = new Synchronizer({ peers, keyring, records, stores, recorder, replication, log });
  const answerPeer = peerHandler({ services, recorder });
  return {
    authenticator,
    certificates,
    noted,
    ends,
    pipeline,
    scheduler,
    failures,
    synchronizer,
    answerPeer,
  };
}
