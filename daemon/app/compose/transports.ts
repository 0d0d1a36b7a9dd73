// Phase 5: the listeners, the native protocol and AWS's.
import type { Config } from '../../config/schema.js';
import type { Health } from '../../observability/health.js';
import type { Logger } from '../../observability/log.js';
import { AwsEndpoint } from '../../transports/aws/endpoint.js';
import { Verdicts } from '../../transports/certified.js';
import { Gate, gateLimitsOf } from '../../transports/gate.js';
import { healthHandler } from '../../transports/http/health.js';
import { router } from '../../transports/http/router.js';
import { Listeners } from '../../transports/listeners.js';
import { NativeServer } from '../../transports/native/server.js';
import { TrustedProxies } from '../../transports/proxies.js';
import { memoryLimitsOf, RequestMemory } from '../../transports/request-memory.js';
import type { Loaded } from '../reload.js';
import type { Journal } from './journal.js';
import type { Services } from './services.js';
import type { Storage } from './storage.js';

export type Transports = ReturnType<typeof makeTransports>;

/** Makes the listeners and what answers them; nothing listens yet. @param health of the daemon, now */
export function makeTransports(
  config: Config,
  limits: Config['limits'],
  { tls }: Loaded,
  log: Logger,
  { instance }: Storage,
  { audit }: Journal,
  { pipeline, authenticator, failures, noted }: Services,
  health: () => Health,
) {
  const { allowedOrigins } = config;
  const verdicts = new Verdicts();
  const proxies = new TrustedProxies(config.trustedProxies);
  const memory = new RequestMemory(memoryLimitsOf(limits));
  const gate = new Gate(gateLimitsOf(limits), memory, log);
  const deps = { pipeline, authenticator, failures, gate, memory, noted, log, verdicts, proxies };
  const native = new NativeServer(deps, instance.region, limits, allowedOrigins);
  const aws = new AwsEndpoint(deps, instance.region, limits);
  const onRequest = router(
    {
      health: healthHandler(health, () => audit.head),
      aws: (request, response) => aws.handle(request, response),
    },
    allowedOrigins,
    (error) => log.error({ err: error }, 'a request could not be answered, and its connection is ended'),
  );
  const listeners = new Listeners(native, onRequest, tls, gate, log);

  return { listeners, native, aws, verdicts };
}
