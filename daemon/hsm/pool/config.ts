// The configuration of a key store.
import type { CipherSuite } from '../../../proto/formats/ciphertext.js';
import type { Lack } from '../key-store.js';
import type { KeyStoreEvent, LoginRefusal } from '../key-store-event.js';
import type { TokenFileFormat } from '../start-settings.js';
import type { JobName } from '../jobs/table.js';
import type { ModuleQuirks } from '../module-quirks.js';
import type { TokenName } from '../pkcs11/find-token.js';
import type { ModuleSettings } from '../pkcs11/module.js';

/** Keeps a store from logging in again after the token refused its PIN: tokens lock after a few tries. */
export interface LoginLatch {
  isSet(): boolean;
  /** How the token refused the login, where it is set. */
  refusal(): LoginRefusal;
  /** Durable when it returns. @param reason for a human; never the PIN or a hash of it */
  set(refusal: LoginRefusal, reason: string): void;
}

export interface KeyStoreConfig extends ModuleSettings {
  readonly name: string;
  /** Which token; label, serial number, slot id, or more than one of them. */
  readonly token: TokenName;
  /** Environment of the workers besides HOME, LANG and PATH; for instance SOFTHSM2_CONF. */
  readonly env?: Readonly<Record<string, string>>;
  readonly quirks?: ModuleQuirks;
  /** How the module keeps tokens in files that it does not sync. */
  readonly tokenFiles?: TokenFileFormat | undefined;
  /** No login where the token says that a wrong PIN was given before. Default: false. */
  readonly sparesTries?: boolean;
  readonly lacks?: readonly Lack[];
  /** Of symmetric materials made from now on; default 1. */
  readonly suite?: CipherSuite;
  /** Default: one for each core, at least two. */
  readonly workers?: number;
  /** As many as the token has sessions. */
  readonly mostWorkers?: number;
  /** Reads the PIN from its source, for each start of a worker; the buffer is wiped. */
  readonly readPin: () => Promise<Buffer>;
  readonly latch: LoginLatch;
  /** Maximum number of session copies of keys in a worker; 0 for a module that does not gain from them. Default 16,384 (8 KB each in SoftHSM). */
  readonly sessionCopies?: number;
  /** Jobs that may wait for a worker. Default 4,096. */
  readonly maxQueued?: number;
  /** Milliseconds that jobs wait while no worker is there. Default 5,000. */
  readonly maxWait?: number;
  /** Milliseconds that jobs which do not write wait for their turn. Default 15,000. */
  readonly patience?: number;
  /** Deadlines in milliseconds that replace those of the table of jobs. */
  readonly deadlines?: Readonly<Partial<Record<JobName, number>>>;
  readonly onEvent?: (event: KeyStoreEvent) => void;
}
