// The port for monitoring: HTTP without TLS or authentication, separate from the ports that clients use.
import { createServer, type RequestListener, type Server } from 'node:http';
import { answerMalformed } from '../http/malformed.js';
import { httpOptions, keepAliveTimeout } from '../http/options.js';
import { acceptErrorLog, type Listener, portOf, started } from '../listener.js';
import type { Logger } from '../../observability/log.js';
import { ListenerProbe, probeTimes } from './probe.js';
import { localAddressOf, type TcpAddress } from './tcp-listener.js';

/** Maximum connections: monitoring needs only a few. */
const mostConnections = 32;

/** Serves metrics and probes. */
export class MetricsListener implements Listener {
  readonly kind = 'metrics';
  readonly #server: Server;
  #probe: ListenerProbe | undefined;

  constructor(
    private readonly address: TcpAddress,
    onRequest: RequestListener,
    private readonly log: Logger,
  ) {
    this.#server = createServer(httpOptions, onRequest);
    this.#server.maxConnections = mostConnections;
    this.#server.setTimeout(keepAliveTimeout);
    this.#server.on('clientError', answerMalformed);
  }

  /** The port that was opened. */
  get port(): number {
    return portOf(this.#server);
  }

  async open(): Promise<void> {
    const { host, port } = this.address;
    await started(this.#server, () => this.#server.listen(port, host), `${host}:${port}`, 'metrics.port');
    this.#server.on('error', acceptErrorLog(this.log));
    const probed = {
      name: `the metrics port ${this.port}`,
      address: localAddressOf(this.#server),
      isTls: false,
    };
    this.#probe = new ListenerProbe(probed, probeTimes, () => undefined);
  }

  get problem(): string | undefined {
    return this.#probe?.problem;
  }

  close(): void {
    this.#probe?.stop();
    this.#server.close();
    this.#server.closeAllConnections();
  }
}
