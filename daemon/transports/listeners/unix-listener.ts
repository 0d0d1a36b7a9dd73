// The unix socket. It is created again if its file is removed.
import { createServer, type Server } from 'node:http';
import { guard, type Listener, type ListenerDeps, serveNative, started } from '../listener.js';
import { httpOptions } from '../http/options.js';
import { ListenerProbe, probeTimes } from './probe.js';
import { clearSocketPath, type FileId, isStillThere, makeSocket, type SocketPlace } from './unix-socket.js';

/** Interval between two checks of the socket's path, in milliseconds. */
const pathInterval = 2_000;

/** Serves the native protocol and HTTP requests on a unix socket. */
export class UnixListener implements Listener {
  readonly kind = 'unix';
  readonly #server: Server;
  #made: FileId | undefined;
  #pathProblem: string | undefined;
  #isMaking = false;
  #watch: NodeJS.Timeout | undefined;
  #probe: ListenerProbe | undefined;

  /** @param place its path and permissions; a stale socket there is replaced */
  constructor(
    private readonly place: SocketPlace,
    private readonly deps: ListenerDeps,
  ) {
    this.#server = createServer(httpOptions, deps.onRequest);
    guard(this.#server, 'unix', deps);
    serveNative(this.#server, deps);
  }

  async open(): Promise<void> {
    await clearSocketPath(this.place.path);
    await this.#make();
    this.#server.on('error', this.deps.notAccepted);
    this.#watch = setInterval(() => {
      this.#checkPath().catch((error: unknown) =>
        this.deps.log.error({ err: error }, 'the unix socket could not be checked'),
      );
    }, pathInterval).unref();
    const probed = {
      name: `the unix socket ${this.place.path}`,
      address: { path: this.place.path },
      isTls: false,
    };
    this.#probe = new ListenerProbe(probed, probeTimes, (socket) => this.deps.gate.spare(socket));
  }

  get problem(): string | undefined {
    return this.#pathProblem ?? this.#probe?.problem;
  }

  /** Stops listening; libuv removes the socket's file. */
  close(): void {
    clearInterval(this.#watch);
    this.#probe?.stop();
    this.#server.close();
    this.#server.closeIdleConnections();
  }

  async #make(): Promise<void> {
    const { path } = this.place;
    this.#made = await makeSocket(this.place, () =>
      started(this.#server, () => this.#server.listen(path), path),
    );
  }

  /** Creates the socket again if its file was removed; open connections stay. */
  async #checkPath(): Promise<void> {
    const { path } = this.place;
    if (!this.#made || this.#isMaking || isStillThere(path, this.#made)) return;
    this.#isMaking = true;
    try {
      await clearSocketPath(path);
      this.#server.close();
      await this.#make();
      this.#pathProblem = undefined;
      this.deps.log.warn({ path }, 'the unix socket had been removed and was created again');
    } catch (error) {
      const { message } = error as Error;
      if (this.#pathProblem === undefined)
        this.deps.log.error({ err: error }, 'the unix socket was removed and cannot be created again');
      this.#pathProblem = `the unix socket was removed and cannot be created again: ${message}`;
    } finally {
      this.#isMaking = false;
    }
  }
}
