import { EventEmitter } from 'node:events';
import { nextTick } from 'node:process';
import type { Operations } from '../proto/generated/messages.js';

/** A connection that was opened. */
export interface ConnectEvent {
  /** The address of the daemon, as the option `url` has it. */
  readonly url: string;
}

/** A connection that ended, though the client was not closed. */
export interface DisconnectEvent {
  /** The address of the daemon, as the option `url` has it. */
  readonly url: string;
  /** Why it ended. */
  readonly error: Error;
}

/** A request that is sent again. */
export interface RetryEvent {
  /** The operation, such as `Encrypt`. */
  readonly operation: keyof Operations;
  /** How many times the request was sent before. */
  readonly attempts: number;
  /** Milliseconds until it is sent; 0 where it only waits for a connection. */
  readonly delay: number;
  /** Why: the refusal of the daemon, or the loss of the connection. */
  readonly error: Error;
}

/** The events of a client, with what their listeners are given. */
export interface ClientEvents {
  /** A connection was opened: the first one, which only `on` of `connect`'s options hears, and each later one. */
  readonly connect: ConnectEvent;
  /** A connection ended: the daemon closed it, it broke, or it gave no sign of life. The next request opens another. */
  readonly disconnect: DisconnectEvent;
  /** A request is sent again. */
  readonly retry: RetryEvent;
}

/** Listeners by the names of events. */
export type ClientListeners = {
  readonly [Name in keyof ClientEvents]?: (event: ClientEvents[Name]) => void;
};

/** Tells listeners what becomes of connections and requests. */
export class EventSource {
  readonly #emitter = new EventEmitter();

  /** @param listeners those that hear the first connection, too */
  constructor(listeners: ClientListeners = {}) {
    for (const [name, listener] of Object.entries(listeners)) this.#emitter.on(name, listener);
  }

  /** Adds a listener. */
  on<Name extends keyof ClientEvents>(name: Name, listener: (event: ClientEvents[Name]) => void): void {
    this.#emitter.on(name, listener);
  }

  /** Removes a listener. */
  off<Name extends keyof ClientEvents>(name: Name, listener: (event: ClientEvents[Name]) => void): void {
    this.#emitter.off(name, listener);
  }

  /** Calls the listeners of an event. What they throw is an uncaught exception of the process and stops nothing here. */
  emit<Name extends keyof ClientEvents>(name: Name, event: ClientEvents[Name]): void {
    try {
      this.#emitter.emit(name, event);
    } catch (error) {
      nextTick(() => {
        throw error;
      });
    }
  }
}
