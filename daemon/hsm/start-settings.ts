// How a worker starts, and what the first one of a store finds.
import type { ModuleQuirks } from './module-quirks.js';
import type { TokenName } from './pkcs11/find-token.js';
import type { ModuleSettings } from './pkcs11/module.js';

/** How a module keeps tokens in files. */
export type TokenFileFormat = 'softhsm2';

/** How a worker starts. */
export interface StartSettings extends ModuleSettings {
  readonly token: TokenName;
  /** Most session copies of keys at a time. */
  readonly sessionCopies: number;
  readonly quirks: ModuleQuirks;
  /** How the module keeps tokens in files that it does not sync; absent: it does, or has no files. */
  readonly tokenFiles?: TokenFileFormat | undefined;
  /** No login where the token says that a wrong PIN was given before. */
  readonly sparesTries: boolean;
  /** Whether to answer with a {@link TokenListing}. */
  readonly describeToken: boolean;
}

/** What the first worker of a store finds. */
export interface TokenListing {
  readonly objects: readonly (readonly [objectClass: number, id: string, label: string])[];
  readonly mechanisms: readonly (readonly [type: number, minKeySize: number, maxKeySize: number])[];
  /** What was repaired before the login, for the log. */
  readonly notices: readonly string[];
}
