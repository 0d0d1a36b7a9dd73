// The daemon: builds the rooms, wires them, drains and exits. The only place that knows every class.
import { join, resolve } from 'node:path';
import { Anchoring, anchorLabel } from './app/opening/anchor.js';
import { AuditError } from './audit/audit-log.js';
import { hasEvent } from './audit/search.js';
import { restoreAuditPublicKey } from './app/opening/audit-public-key.js';
import { ExpiryWatch } from './app/certificate-expiry.js';
import { ConfigError, inHome, loadConfig } from './config/load.js';
import { type Config, defaultFieldLimits } from './config/schema.js';
import { turnOffCoreDumps } from './app/core-dumps.js';
import { fileFault } from './files/fs-errors.js';
import { healthOf } from './app/health.js';
import { HsmError } from './hsm/key-store.js';
import { Clusters, openKeyStore } from './app/opening/open-key-store.js';
import { AccessKeys } from './identity/access-keys.js';
import { Authenticator } from './identity/authenticator.js';
import { ClientCertificates } from './identity/certificates/certificates.js';
import { FailedAuthentications } from './identity/failed-authentications.js';
import { Identities } from './identity/identities.js';
import { Sessions } from './identity/sessions/sessions.js';
import { internalObjectId, secretsKey } from './app/opening/instance.js';
import { notePlace } from './app/opening/home-place.js';
import { prepareHome } from './app/opening/home-preparation.js';
import { Namer } from './keys/identifiers.js';
import { finishDestructions } from './keys/material/destructions.js';
import { type Inspection, inspectToken } from './keys/material/inspection.js';
import { repairIntents } from './keys/material/intents.js';
import { Grants } from './keys/grants/grants.js';
import { openInternalKeys } from './keys/material/internal-keys.js';
import { KeyStores } from './keys/stores/key-stores.js';
import { Keyring } from './keys/keyring.js';
import { LastUsage } from './keys/last-usage.js';
import { MaterialFactory } from './keys/material/material-factory.js';
import { MessageCounts } from './keys/material/message-counts.js';
import { Secrets } from './hsm/secrets.js';
import { hmacSha256 } from './keys/specs/table.js';
import { UnknownMaterials } from './keys/material/unknown-materials.js';
import { wrappingObjects } from './keys/import/wrapping-keys.js';
import { HangingDisks } from './observability/hanging.js';
import { UnhandledFailures } from './observability/last-resort.js';
import { createLog, type Logger } from './observability/log.js';
import { Admission } from './pipeline/admission/fair-queue.js';
import { makeFailureEvent } from './pipeline/audit-event.js';
import { makeServiceEvent } from './audit/event.js';
import { fieldLimitCheck } from './pipeline/field-limits.js';
import { ManagedKeys } from './operations/kms/managed-keys.js';
import { NotedRequests } from './pipeline/noted-requests.js';
import { OwedEvents } from './journal/audit-outbox.js';
import { Pipeline } from './pipeline/pipeline.js';
import { Quotas } from './pipeline/admission/rate-limits.js';
import { Recorder } from './journal/recorder.js';
import { ServiceActs } from './lifecycle/key-lifecycle.js';
import { operationTable } from './operations/table.js';
import { LogSeal } from './app/opening/log-seal.js';
import { fitConnections, openFilesLimit, workersOf } from './app/open-files.js';
import { checkAudit, loadRecords, openAudit, readOwnInstance } from './app/opening/open-home.js';
import { MadeKeys } from './app/opening/orphan-recovery.js';
import { readyText, writeClientFiles } from './app/client-files.js';
import { load, Reloader } from './app/reload.js';
import { ObservedClock } from './lifecycle/trusted-clock.js';
import { Scheduler } from './lifecycle/scheduler.js';
import { LevelStore } from './store/leveldb/leveldb.js';
import { makeSinks } from './app/sink-settings.js';
import { StoreError } from './store/store.js';
import { AwsEndpoint } from './transports/aws/endpoint.js';
import { Verdicts } from './transports/certified.js';
import { Gate, gateLimitsOf, upgradeLimitsOf } from './transports/gate.js';
import { healthHandler } from './transports/http/health.js';
import { TrustedProxies } from './transports/proxies.js';
import { router } from './transports/http/router.js';
import { Listeners } from './transports/listeners.js';
import { NativeServer } from './transports/native/server.js';
import { memoryLimitsOf, RequestMemory } from './transports/request-memory.js';
import { ListenError } from './transports/unix-socket.js';

/** How long a stop waits for requests in flight, in milliseconds. */
const drainTimeout = 10_000;

interface Daemon {
  /** To be printed when signals are heeded. */
  readonly ready: string;
  /** Counts what fails without anybody who handles it. */
  readonly unhandled: UnhandledFailures;
  /** Logs an exception that ends the daemon. */
  fatal(error: unknown): void;
  /** Drains, and leaves everything durable. */
  stop(): Promise<void>;
  /** Certificates, log level, clusters and sinks anew from the configuration. */
  reload(): void;
}

async function start(home: string): Promise<Daemon> {
  const config = loadConfig(home);
  const port = portOf(config);
  const log = createLog(config.logLevel);
  const unhandled = new UnhandledFailures(log);
  for (const sentence of await prepareHome(home, config)) log.warn(sentence);
  const loaded = load(home, config);
  const dumps = turnOffCoreDumps();
  if (dumps !== undefined) log.warn(dumps);
  const store = await LevelStore.open(join(home, 'metadata'));
  const startedAt = Date.now();
  const instance = await readOwnInstance(store, config);
  const keyStore = await openKeyStore(home, config, log);
  const { records, anchor } = await loadRecords(store, instance, keyStore);
  const place = await notePlace(home, config, records);
  if (place) log.warn(place.sentence);
  if (await restoreAuditPublicKey(home, instance, keyStore))
    log.warn('audit-public-key.pem was missing: it was made again from the HSM');
  const anchoring = new Anchoring(keyStore, instance, records, log, anchor);
  // Until the HSM knows of a root, an earlier store is as good as this one.
  if (!anchor) await anchoring.flush();
  const isLogged = (eventId: string, after: number) => hasEvent(join(home, 'audit'), eventId, after);
  const event = (name: string, data: object, error?: { code: string; message: string }) => {
    const { account, region } = instance;
    return audit.append(makeServiceEvent(name, account, region, data, undefined, error).members);
  };
  const eventBeside = (...args: Parameters<typeof event>) => {
    event(...args).catch((error: unknown) => log.error({ err: error }, `${args[0]} could not be recorded`));
  };
  const { allowedOrigins } = config;
  const { limits, warnings: cutLimits } = fitConnections(config.limits, openFilesLimit(), workersOf(config));
  for (const warning of cutLimits) log.warn(warning);
  const admission = new Admission(new Quotas(config.quotas, operationTable.values()), limits);
  const sinks = makeSinks(home, () => audit.head.sequence, log);
  const seal = new LogSeal(records, log, () => anchoring.request());
  checkAudit(home, { records, anchor });
  const audit = await openAudit(home, config, instance, keyStore, log, {
    recovered: async (writtenRecords) => {
      eventBeside('AuditLogRecovered', { writtenRecords });
      await owed.completeRefused(isLogged);
    },
    durable: () => sinks.ring(),
    checkpoint: () => {
      seal.request();
      anchoring.request();
    },
    underWay: () => admission.executing,
  });
  records.followLog(() => audit.head);
  const owed = new OwedEvents(records, audit);
  const completed = await owed.complete(isLogged);
  const madeKeys = new MadeKeys(join(home, 'audit'), records, keyStore, log);
  const repaired = await repairIntents(records, keyStore, { isKept: (id) => madeKeys.isKept(id) });
  const repairs = repaired.length + (await finishDestructions(records, keyStore));
  const internalKeys = await openInternalKeys(records, keyStore);
  const keyring = new Keyring(records, new Namer(instance.account, instance.region));
  const secrets = new Secrets(keyStore, secretsKey(instance));
  const clusters = new Clusters(home, config, secrets, log);
  const stores = new KeyStores(keyStore, { records, keyring, clusters, log });
  const ownKeys = Object.values(internalKeys).map((id) => id.toString('hex'));
  const ownObjects = new Set([...Object.values(instance.internalKeys), ...ownKeys]);
  const others = [...ownObjects, ...wrappingObjects(records), ...repaired];
  const inspection = inspectToken(
    keyStore.objects,
    keyring.keysIn(undefined),
    undefined,
    others,
    anchorLabel(instance),
  );
  keyring.connected(undefined, inspection.missing);
  report(log, inspection);

  const identities = new Identities(records, instance.account);
  const accessKeys = new AccessKeys(records, keyStore, secrets);
  const sessions = await Sessions.start(keyStore, secrets, instance.storeId, (message) =>
    keyStore.sign(internalObjectId(instance, 'record-mac'), hmacSha256, 'none', message),
  );
  const { tls } = loaded;
  const certificates = tls.clientTrust && new ClientCertificates(tls.clientTrust);
  const credentials = { identities, accessKeys, sessions, certificates };
  const authenticator = new Authenticator(credentials, instance, startedAt, upgradeLimitsOf(limits));
  const recorder = new Recorder(records, audit, owed);
  const materials = new MaterialFactory(keyring, records, stores, internalKeys['material-ids']);
  const acts = new ServiceActs({ keyring, records, stores, materials }, recorder);
  const messageCounts = await MessageCounts.open(records, {
    keyring,
    bound: limits.messagesPerMaterial,
    rotate: (keyId) => acts.rotateKey(keyId),
    log,
  });
  const lastUsage = new LastUsage(records);
  const unknownMaterials = new UnknownMaterials();
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
    allowSeed: config.allowSeed,
    limits,
  };
  const managedKeys = new ManagedKeys(services, recorder);
  const checkLimits = fieldLimitCheck(limits, defaultFieldLimits);
  const noted = new NotedRequests(instance.account, instance.region, audit, log);
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
    log,
  });
  const clock = await ObservedClock.open(records, config.deletionCautionHours);
  const scheduler = new Scheduler(keyring, acts, lastUsage, clock, log);
  const failures = new FailedAuthentications(limits.failedAuthentications, {
    record: async (summary) => {
      const { members } = makeFailureEvent(instance.account, instance.region, summary);
      await audit.append(members).catch((error: unknown) => {
        log.error({ err: error, ...summary }, 'failed authentications could not be recorded');
      });
    },
    logRest: (source, unlogged) =>
      log.warn({ source, unlogged }, 'more requests or connections were refused'),
  });
  const certificateExpiry = new ExpiryWatch(loaded.expiries, (warning) => log.warn(warning));
  const verdicts = new Verdicts();
  const proxies = new TrustedProxies(config.trustedProxies);
  const memory = new RequestMemory(memoryLimitsOf(limits));
  const gate = new Gate(gateLimitsOf(limits), memory, log);
  const rooms = { pipeline, authenticator, failures, gate, memory, noted, log, verdicts, proxies };
  const native = new NativeServer(rooms, instance.region, limits, allowedOrigins);
  const disks = new HangingDisks(
    [
      { name: `The audit log in ${join(home, 'audit')}`, busySince: () => audit.busySince },
      { name: `The metadata store in ${join(home, 'metadata')}`, busySince: () => store.busySince },
    ],
    log,
  );
  const health = () =>
    healthOf(
      stores,
      audit,
      sinks,
      keyring,
      inspection,
      [...listeners.problems, ...disks.warnings],
      [
        ...cutLimits,
        ...scheduler.warnings,
        ...anchoring.warnings,
        ...madeKeys.warnings,
        ...unknownMaterials.warnings,
        ...certificateExpiry.warnings,
        ...unhandled.warnings,
      ],
    );
  const aws = new AwsEndpoint(rooms, instance.region, limits);
  const onRequest = router(
    {
      health: healthHandler(health, () => audit.head),
      aws: (request, response) => aws.handle(request, response),
    },
    allowedOrigins,
    (error) => log.error({ err: error }, 'a request could not be answered, and its connection is ended'),
  );
  const listeners = new Listeners(native, onRequest, tls, gate, log);

  await event('StartService', {
    repairedIntents: repairs,
    completedEvents: completed,
    lostKeys: madeKeys.lost.length > 0 ? madeKeys.lost : undefined,
    lostAnchor: anchoring.lost,
    home: place?.facts,
  });
  stores.start();
  sinks.apply(loaded.sinks);
  // A client that signs in the second in which the daemon started would be taken for a replay.
  await new Promise((done) => setTimeout(done, Math.max(0, authenticator.notBefore - Date.now())));
  const socket = inHome(home, config.listen.socket);
  const { host, http } = config.listen;
  const endpoint = { home, socket, host, region: instance.region, ca: inHome(home, config.tls.ca) };
  const ports = await listeners.listen({ socket, host, port, http });
  const bound = { ...endpoint, port: ports.port, http: http && { host: http.host, port: ports.httpPort! } };
  writeClientFiles(bound);
  scheduler.start();

  const reloader = new Reloader(home, loaded, {
    canRecord: () => audit.available,
    record: (data, error) => eventBeside('ReloadConfiguration', data, error),
    apply: ({ config: changed, tls: files, sinks: wanted, expiries }) => {
      // What can still fail comes first.
      listeners.reload(files);
      if (files.clientTrust) certificates?.reload(files.clientTrust);
      certificateExpiry.watch(expiries);
      log.level = changed.logLevel;
      clusters.reload(changed);
      verdicts.renew();
      native.endStale();
      aws.endStale();
      sinks.apply(wanted);
    },
  });
  return {
    ready: readyText(bound),
    unhandled,
    fatal: (error) => {
      log.fatal(
        { err: error },
        'an exception was not caught: the daemon ends; what was acknowledged is kept',
      );
    },
    async stop() {
      listeners.close();
      await Promise.all([native.drain(drainTimeout), aws.drain(drainTimeout)]);
      // Each of them, whatever becomes of the others: on a disk that fails the HSM is still told of the newest root.
      await inTurn([
        () => scheduler.stop(),
        () => failures.flush(),
        () => noted.flush(),
        () => event('StopService', {}),
        () => owed.flush(),
        () => audit.close(),
        () => seal.close(),
        () => sinks.close(),
        () => stores.close(),
        () => anchoring.close(),
        () => keyStore.close(),
        () => store.close(),
      ]);
    },
    reload() {
      reloader.reload();
      log.info('the configuration was reloaded');
    },
  };
}

/** @throws what failed first, when all were tried */
async function inTurn(steps: readonly (() => unknown)[]): Promise<void> {
  const failures: unknown[] = [];
  for (const step of steps) {
    try {
      await step();
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
}

function portOf({ listen }: Config): number {
  const text = process.env.KEYHOLD_PORT;
  if (!text) return listen.port;
  const port = Number(text);
  if (Number.isInteger(port) && port >= 0 && port <= 65535) return port;
  throw new ConfigError(`KEYHOLD_PORT is '${text}': it takes a port number, 0 for any free one.`);
}

function report(log: Logger, { missing, unclaimed, foreign }: Inspection): void {
  if (missing.length > 0) log.error({ missing }, 'the token does not hold this key material');
  if (unclaimed.length > 0) log.error({ unclaimed }, 'the token holds key material that no record names');
  if (foreign > 0) log.info({ foreign }, 'the token also holds objects that are not of this Keyhold');
}

function fail(error: unknown): never {
  const isKnown = [ConfigError, HsmError, StoreError, AuditError, ListenError].some(
    (known) => error instanceof known,
  );
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  console.error(`keyhold: ${fileFault(error) ?? (isKnown || !stack ? message : stack)}`);
  process.exit(1);
}

const home = process.env.KEYHOLD_HOME;
if (!home) fail(new ConfigError("KEYHOLD_HOME is not set: it names the folder that 'keyhold init' made."));
process.on('unhandledRejection', fail);
let stopping = false;
const daemon = await start(resolve(home)).catch(fail);
process.off('unhandledRejection', fail).on('unhandledRejection', daemon.unhandled.note);
// State may be half changed, so nothing more is answered or written. What was acknowledged is durable already.
process.on('uncaughtException', (error) => {
  try {
    daemon.fatal(error);
  } finally {
    process.exit(1);
  }
});
const stop = () => {
  if (stopping) return;
  stopping = true;
  daemon.stop().then(() => process.exit(0), fail);
};
process.on('SIGTERM', stop);
process.on('SIGINT', stop);
process.on('SIGHUP', () => {
  try {
    daemon.reload();
  } catch (error) {
    console.error(
      `keyhold: the configuration was not reloaded: ${error instanceof Error ? error.message : ''}`,
    );
  }
});
console.log(daemon.ready);
