import { type OperationName, operationShapes } from '../proto/schema/descriptor.js';
import type { Operations } from '../proto/generated/messages.js';
import { type CallOptions, Connection } from './connection.js';
import { DataKeyCache } from './data-key-cache.js';
import type { DataKeySource } from './data-key-source.js';
import { type ConnectOptions, settings } from './options.js';

/**
 * A method for each operation, named like it with a small first letter: `client.generateDataKey`. Bytes are `Uint8Array`,
 * times are seconds since 1970. Bytes of a response may be a view of a larger buffer.
 */
export type OperationMethods = {
  readonly [Name in OperationName as Uncapitalize<Name>]: (
    request: Operations[Name]['request'],
    options?: CallOptions,
  ) => Promise<Operations[Name]['response']>;
};

/** A client of one daemon. It reconnects by itself. Its errors are ServiceError, ConnectionError and TimeoutError. */
export interface Client extends OperationMethods {
  /** Data keys for `seal` and `open`; from the cache if the client was given one. */
  readonly dataKeys: DataKeySource;
  /** Waits for the requests in flight, closes the connection and wipes cached data keys. */
  close(): Promise<void>;
}

/**
 * Connects to a daemon.
 * @param options what is not given comes from the environment, as `. var/env` sets it
 * @returns a client, once the daemon has accepted the credentials
 * @throws ConnectionError where no daemon answers; ServiceError where it refuses the credentials; the signal's reason
 * @example
 *   import { connect } from 'keyhold/client';
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
