import type { CipherSuite } from '../../../proto/formats/ciphertext.js';
import type { Lack, MultiRegionTraits } from '../token-description.js';
import type { KeyStoreEvent, LoginRefusal } from '../key-store-event.js';
import type { TokenFileFormat } from '../start-settings.js';
import type { JobName } from '../jobs/table.js';
import type { ModuleQuirks } from '../module-quirks.js';
import type { TokenName } from '../pkcs11/find-token.js';
import type { ModuleSettings } from '../pkcs11/module.js';

/** Prevents further logins after the token refused the PIN, because tokens lock after a few tries. */
export interface LoginLatch {
  /** Whether logins are blocked. */
  isSet(): boolean;
  /** How the token refused the login; only meaningful while the latch is set. */
  refusal(): LoginRefusal;
  /** Blocks logins, durably when it returns. @param reason for people; never the PIN or a hash of it */
  set(refusal: LoginRefusal, reason: string): void;
}

/** The configuration of a key store. */
export interface KeyStoreConfig extends ModuleSettings {
  readonly name: string;
  /** The token: label, serial number, slot id, or more than one of them. */
  readonly token: TokenName;
  /** Environment variables of the workers besides HOME, LANG and PATH, such as SOFTHSM2_CONF. */
  readonly env?: Readonly<Record<string, string>>;
  readonly quirks?: ModuleQuirks;
  /** Format of token files that the module does not sync; absent if it has none. */
  readonly tokenFiles?: TokenFileFormat | undefined;
  /** Do not log in if the token reports that a wrong PIN was given before. Default: false. */
  readonly sparesTries?: boolean;
  readonly lacks?: readonly Lack[];
  readonly multiRegion?: MultiRegionTraits;
  /** Cipher suite of symmetric materials that are made from now on. Default: AES_256_GCM. */
  readonly suite?: CipherSuite;
  /** Number of worker processes. Default: one for each core, at least two. */
  readonly workers?: number;
  /** Maximum number of workers, from the token's limit of sessions. */
  readonly mostWorkers?: number;
  /** Reads the PIN (UTF-8) from its source, once for each start of a worker; the pool wipes the buffer. */
  readonly readPin: () => Promise<Buffer>;
  readonly latch: LoginLatch;
  /** Maximum number of session copies of keys in a worker; 0 for none. Default: 16,384 (8 KB each in SoftHSM). */
  readonly sessionCopies?: number;
  /** Maximum number of jobs that wait for a worker. Default: 4,096. */
  readonly maxQueued?: number;
  /** Milliseconds that jobs wait while no worker is logged in. Default: 5,000. */
  readonly maxWait?: number;
  /** Milliseconds that jobs which do not write wait for a free worker. Default: 15,000. */
  readonly patience?: number;
  /** Deadlines in milliseconds that replace those of the job table. */
  readonly deadlines?: Readonly<Partial<Record<JobName, number>>>;
  readonly onEvent?: (event: KeyStoreEvent) => void;
}
