// What the package @keyhold/client exports.
export {
  type Client,
  connect,
  type OperationMethods,
  type PaginatorMethods,
  type ResultMetadata,
} from './client.js';
export { type Credentials, type CredentialsProvider, defaultCredentials } from './credentials.js';
export { type CacheLimits, DataKeyCache } from './data-keys/data-key-cache.js';
export {
  type DataKeyPair,
  importDataKeyPair,
  type ImportedKeyPair,
  type ImportOptions,
} from './data-keys/data-key-pairs.js';
export type {
  DataKeyOptions,
  DataKeySource,
  DecryptDataKey,
  GenerateDataKey,
} from './data-keys/data-key-source.js';
export {
  ConnectionError,
  type ConnectionErrorCode,
  CryptoError,
  type CryptoErrorCode,
  type ErrorCode,
  exceptions,
  ServiceError,
  TimeoutError,
} from './errors.js';
export type { ClientEvents, ClientListeners, ConnectEvent, DisconnectEvent, RetryEvent } from './events.js';
export type { CallOptions, ConnectOptions } from './options.js';
export { SealError, type SealErrorCode } from '../proto/formats/seal-error.js';
export { openBytes, sealBytes } from './seal/bytes.js';
export { type FileOptions, openFile, sealFile } from './seal/files.js';
export { open, type OpenOptions } from './seal/open.js';
export { seal, type SealOptions } from './seal/seal.js';
export { verify, type VerifyOptions } from './verify.js';
export type * from '../proto/generated/messages.js';
