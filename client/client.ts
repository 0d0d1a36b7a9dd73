import type {
  OperationMethods as MethodsOf,
  PaginatorMethods as PaginatorsOf,
} from '../proto/generated/methods.js';
import { operationShapes } from '../proto/schema/descriptor.js';
import { Connection } from './connection/connection.js';
import { DataKeyCache } from './data-keys/data-key-cache.js';
import type { DataKeySource } from './data-keys/data-key-source.js';
import { type ClientEvents, EventSource } from './events.js';
import { type CallOptions, type ConnectOptions, settings } from './options.js';
import { paginators } from './paginate.js';

/** What a result has besides the members of the response. It is not enumerable, so that a result prints and compares without it. */
export interface ResultMetadata {
  /** ID of the request, by which the daemon's operator finds it in the audit log. */
  readonly requestId: string;
}

/**
 * A method for each operation, named like it with a small first letter: `client.generateDataKey`. Bytes are `Uint8Array`,
 * times are seconds since 1970. Bytes of a response may be a view of a larger buffer.
 */
export type OperationMethods = MethodsOf<CallOptions, ResultMetadata>;

/** A method for each operation that returns a list in pages, which it reads to its end: `client.paginateListKeys`. */
export type PaginatorMethods = PaginatorsOf<CallOptions>;

/** A client of one daemon. It reconnects by itself. Its errors are ServiceError, ConnectionError and TimeoutError. */
export interface Client extends OperationMethods, PaginatorMethods, AsyncDisposable {
  /** Data keys for `seal` and `open`; from the cache if the client was given one. */
  readonly dataKeys: DataKeySource;
  /** Adds a listener of an event. */
  on<Name extends keyof ClientEvents>(name: Name, listener: (event: ClientEvents[Name]) => void): void;
  /** Removes a listener of an event. */
  off<Name extends keyof ClientEvents>(name: Name, listener: (event: ClientEvents[Name]) => void): void;
  /** Waits for the requests in flight, closes the connection and wipes cached data keys. */
  close(): Promise<void>;
}

/**
 * Connects to a daemon.
 * @param options what is not given comes from the environment, as `. var/env` sets it
 * @returns a client, once the daemon has accepted the credentials
 * @throws ConnectionError where no daemon answers; ServiceError where it refuses the credentials; the signal's reason
 * @example
 *   import { connect } from '@keyhold/client';
 *
 *   const client = await connect();
 *   const { keyMetadata } = await client.createKey({ description: 'for the application' });
 *   const encryptionContext = { purpose: 'example' };
 *   const request = { keyId: keyMetadata.keyId, plaintext: Buffer.from('secret'), encryptionContext };
 *   const { ciphertextBlob } = await client.encrypt(request);
 *   const { plaintext } = await client.decrypt({ ciphertextBlob, encryptionContext });
 *   console.log(Buffer.from(plaintext).toString()); // secret
 *   await client.close();
 */
export async function connect(options: ConnectOptions = {}): Promise<Client> {
  const events = new EventSource(options.on);
  const connection = new Connection(await settings(options), events);
  const methods = Object.fromEntries(
    operationShapes.map((shape) => [
      shape.field,
      (request: object = {}, callOptions?: CallOptions) => connection.request(shape, request, callOptions),
    ]),
  );
  const typed = methods as unknown as OperationMethods;
  const cache = options.dataKeyCache && new DataKeyCache(typed, options.dataKeyCache);
  await connection.open(options.signal);
  const close = async () => {
    cache?.close();
    await connection.close();
  };
  return {
    ...typed,
    ...paginators(methods),
    dataKeys: cache ?? typed,
    on: (name, listener) => events.on(name, listener),
    off: (name, listener) => events.off(name, listener),
    close,
    [Symbol.asyncDispose]: close,
  };
}
