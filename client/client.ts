import { type OperationName, operationShapes } from '../proto/schema/descriptor.js';
import type { Operations } from '../proto/generated/messages.js';
import { type CallOptions, Connection } from './connection.js';
import { DataKeyCache } from './data-key-cache.js';
import type { DataKeySource } from './data-key-source.js';
import { type ConnectOptions, settings } from './options.js';

/** A method for each operation, named like it with a small first letter: `client.generateDataKey`. */
export type OperationMethods = {
  readonly [Name in OperationName as Uncapitalize<Name>]: (
    request: Operations[Name]['request'],
    options?: CallOptions,
  ) => Promise<Operations[Name]['response']>;
};

/** A client of one daemon; it connects again by itself. Errors are ServiceError, ConnectionError or TimeoutError. */
export interface Client extends OperationMethods {
  /** Data keys for `seal` and `open`, from the cache if there is one. */
  readonly dataKeys: DataKeySource;
  /** Waits for what is under way, ends the connection and wipes cached data keys. */
  close(): Promise<void>;
}

/**
 * Connects to a daemon.
 * @throws ConnectionError where no daemon answers; ServiceError where it refuses the credentials; the signal's reason
 * @example
 *   const client = await connect();
 *   const { ciphertextBlob } = await client.encrypt({ keyId: 'alias/app', plaintext: Buffer.from('secret') });
 *   await client.close();
 */
export async function connect(options: ConnectOptions = {}): Promise<Client> {
  const connection = new Connection(await settings(options));
  const methods = Object.fromEntries(
    operationShapes.map((shape) => [
      shape.field,
      (request: object, callOptions?: CallOptions) => connection.request(shape, request, callOptions),
    ]),
  ) as unknown as OperationMethods;
  const cache = options.dataKeyCache && new DataKeyCache(methods, options.dataKeyCache);
  await connection.open(options.signal);
  const close = async () => {
    cache?.close();
    await connection.close();
  };
  return { ...methods, dataKeys: cache ?? methods, close };
}
