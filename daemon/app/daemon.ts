// Start, reload and stop of the daemon.
import { Indexer } from '../audit/query/indexer.js';
import { ConfigError, inHome, loadConfig } from '../config/load.js';
import type { Config } from '../config/schema.js';
import { HangingDisks } from '../observability/hanging.js';
import { UnhandledFailures } from '../observability/last-resort.js';
import { createLog } from '../observability/log.js';
import { Metrics } from '../observability/metrics/metrics.js';
import { operationTable } from '../operations/table.js';
import { Admission } from '../pipeline/admission/fair-queue.js';
import { Quotas } from '../pipeline/admission/rate-limits.js';
import { ExpiryWatch } from './certificate-expiry.js';
import { readyLine, welcomeText, writeClientFiles } from './client-files.js';
import { openJournal } from './compose/journal.js';
import { openKeys } from './compose/keys.js';
import { addMetrics, makeMonitoring } from './compose/monitoring.js';
import { makeRegions } from './compose/regions.js';
import { makeServices } from './compose/services.js';
import { openStorage } from './compose/storage.js';
import { makeTransports } from './compose/transports.js';
import { turnOffCoreDumps } from './core-dumps.js';
import { healthOf } from './health.js';
import { fitConnections, openFilesLimit, workersOf } from './open-files.js';
import { clientHost } from './opening/certificate-names.js';
import { prepareHome } from './opening/home-preparation.js';
import { signForAudit } from './opening/open-home.js';
import { load, Reloader } from './reload.js';
import { statusOf } from './status.js';
import { tellServiceManager } from './service-manager.js';
import { homePaths } from '../files/home.js';
import { version } from './version.js';

/** How long a stop waits for requests in flight, in milliseconds. */
const drainTimeout = 10_000;

/** A daemon that serves requests. */
export interface Daemon {
  /** To be printed once signals are handled: a line for a program, and commands that a person may try next. */
  readonly ready: string;
  readonly welcome: string;
  /** Counts failures that nothing handled. */
  readonly unhandled: UnhandledFailures;
  /** Logs an exception that ends the daemon. */
  fatal(error: unknown): void;
  /** Finishes the requests in flight, makes everything durable, and closes everything. */
  stop(): Promise<void>;
  /** Reads certificates, log settings, clusters and sinks from the configuration again. @throws ConfigError */
  reload(): void;
}

/**
 * Starts the daemon: opens everything, phase by phase, then listens.
 * @param home absolute path
 * @throws ConfigError, StoreError, HsmError, AuditError, ListenError
 */
export async function start(home: string): Promise<Daemon> {
  const config = loadConfig(home);
  const port = portOf(config);
  const log = createLog(config.logLevel);
  const unhandled = new UnhandledFailures(log);
  for (const sentence of await prepareHome(home, config)) log.warn(sentence);
  const loaded = load(home, config);
  const dumps = turnOffCoreDumps();
  if (dumps !== undefined) log.warn(dumps);
  const { limits, warnings: cutLimits } = fitConnections(config.limits, openFilesLimit(), workersOf(config));
  for (const warning of cutLimits) log.warn(warning);
  const admission = new Admission(new Quotas(config.quotas, operationTable.values()), limits);
  const settings = { home, config, limits, loaded, log };
  const storage = await openStorage(settings);
  const { store, instance, keyStore, anchoring, place } = storage;
  const journal = await openJournal(settings, { storage, underWay: () => admission.executing });
  const { audit, sinks, seal, owed, completed, event, eventBeside } = journal;
  const keys = await openKeys(settings, { storage, journal });
  const { keyring, stores, clusters, madeKeys, repairs, inspection, unknownMaterials } = keys;
  const status = () =>
    statusOf({
      health: health(),
      region: instance.region,
      profile: config.hsm.profile,
      startedAt: storage.startedAt,
      expiries: certificateExpiry.expiries,
      stores,
      audit,
      sinks,
      keyring,
    });
  const regions = makeRegions(settings, {
    ...{ storage, journal, keys },
    handler: (from, name, body) => services.answerPeer(from, name, body),
    pendingKeys: (region) => services.synchronizer.pendingKeys(region),
  });
  const services = await makeServices(settings, { storage, journal, keys, regions, admission, status });
  const { authenticator, certificates, ends, failures, noted, scheduler, synchronizer } = services;
  const certificateExpiry = new ExpiryWatch(loaded.expiries, (warning) => log.warn(warning));
  const disks = new HangingDisks(
    [
      { name: `The audit log in ${homePaths(home).audit}`, busySince: () => audit.busySince },
      { name: `The metadata store in ${homePaths(home).metadata}`, busySince: () => store.busySince },
    ],
    log,
  );
  const health = () =>
    healthOf({
      stores,
      audit,
      sinks,
      keyring,
      inspection,
      problems: [...listeners.problems, ...disks.warnings],
      warnings: [
        ...(monitoring?.problem === undefined ? [] : [monitoring.problem]),
        ...cutLimits,
        ...scheduler.warnings,
        ...anchoring.warnings,
        ...madeKeys.warnings,
        ...unknownMaterials.warnings,
        ...certificateExpiry.warnings,
        ...regions.warnings,
        ...synchronizer.warnings,
        ...unhandled.warnings,
      ],
    });
  let isStopping = false;
  const isReady = () => !isStopping && health().healthy;
  const probes = { isLive: () => listeners.problems.length === 0, isReady };
  const { host, http } = config.listen;
  const socket = inHome(home, config.listen.socket);
  const { socketGroup: group, socketMode } = config.listen;
  const access = { group, mode: Number.parseInt(socketMode, 8) };
  const addresses = { socket: { path: socket, ...access }, tls: { host, port }, http };
  const metrics = new Metrics();
  const transports = makeTransports(settings, { storage, services, addresses, health, probes, metrics });
  const { listeners, native, aws, verdicts, gate } = transports;
  addMetrics(metrics, settings, {
    ...{ ends, admission, failures, gate, stores, audit, sinks, store, records: storage.records },
    ...{ health, isReady, listeners, scheduler, certificateExpiry, unhandled, regions },
  });
  const monitoring = makeMonitoring(settings, metrics, probes);

  await event('StartService', {
    repairedIntents: repairs,
    completedEvents: completed,
    lostKeys: madeKeys.lost.length > 0 ? madeKeys.lost : undefined,
    lostAnchor: anchoring.lost,
    home: place?.facts,
  });
  stores.start();
  sinks.apply(loaded.sinks);
  const indexer = new Indexer({
    directory: homePaths(home).audit,
    indexes: journal.indexes,
    sign: (message) => signForAudit(instance, keyStore, message),
    isBusy: () => admission.executing > 0,
    failed: (error) => log.warn({ err: error }, 'the audit log could not be indexed; queries are slower'),
  });
  // A request signed in the second in which the daemon started would be refused as a possible replay.
  await new Promise((done) => setTimeout(done, Math.max(0, authenticator.notBefore - Date.now())));
  const ca = inHome(home, config.tls.ca);
  const endpoint = { home, socket, host: clientHost(config), region: instance.region, ca };
  const ports = await listeners.open();
  await regions.open();
  await monitoring?.open();
  const bound = { ...endpoint, port: ports.port, http: http && { host: http.host, port: ports.httpPort! } };
  writeClientFiles(bound);
  scheduler.start();
  synchronizer.start();
  tellServiceManager(probes.isLive, log);
  const listening = {
    unix: socket,
    tls: `${host}:${ports.port}`,
    http: http && `${http.host}:${ports.httpPort}`,
    metrics: monitoring && `${config.metrics!.host}:${monitoring.port}`,
    regions: config.regions && `${config.regions.listen.host}:${regions.port}`,
  };
  log.info({ version, home, profile: config.hsm.profile, listeners: listening }, 'Keyhold is ready');

  const reloader = new Reloader(home, loaded, {
    canRecord: () => audit.available,
    record: (data, error) => eventBeside('ReloadConfiguration', data, error),
    apply: ({ config: changed, tls: files, sinks: wanted, expiries }) => {
      // What can still fail comes first.
      listeners.reload(files);
      if (files.clientTrust) certificates?.reload(files.clientTrust);
      certificateExpiry.watch(expiries);
      log.level = changed.logLevel;
      ends.logsRequests = changed.accessLog;
      clusters.reload(changed);
      verdicts.renew();
      native.endStale();
      aws.endStale();
      regions.wake();
      sinks.apply(wanted);
    },
  });
  return {
    ready: readyLine(bound),
    welcome: welcomeText(bound),
    unhandled,
    fatal: (error) => {
      log.fatal({ err: error }, 'uncaught exception: the daemon stops; acknowledged changes are kept');
    },
    async stop() {
      isStopping = true;
      listeners.close();
      regions.close();
      await Promise.all([native, aws, regions].map((each) => each.drain(drainTimeout)));
      // Each step runs even if others fail: with a failing disk the HSM still gets the newest root.
      await inTurn([
        () => scheduler.stop(),
        () => synchronizer.stop(),
        () => indexer.close(),
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
        () => monitoring?.close(),
      ]);
    },
    reload() {
      reloader.reload();
      log.info('the configuration was reloaded');
    },
  };
}

/** Runs all steps in order, even after a failure. @throws the first failure */
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
