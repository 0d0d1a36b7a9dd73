// The argument and the result of a worker's start.
import type { ModuleQuirks } from './module-quirks.js';
import type { TokenName } from './pkcs11/find-token.js';
import type { ModuleSettings } from './pkcs11/module.js';

/** Format of the files in which a module keeps tokens. */
export type TokenFileFormat = 'softhsm2';

/** Settings of a worker. */
export interface StartSettings extends ModuleSettings {
  readonly token: TokenName;
  /** Maximum number of session copies of keys. */
  readonly sessionCopies: number;
  readonly quirks: ModuleQuirks;
  /** Format of token files that the module does not sync; absent if it has none. */
  readonly tokenFiles?: TokenFileFormat | undefined;
  /** Do not log in if the token reports that a wrong PIN was given before. */
  readonly sparesTries: boolean;
  /** Whether to answer with a {@link TokenListing}. */
  readonly describeToken: boolean;
}

/** The token as the first worker of a store finds it. */
export interface TokenListing {
  readonly objects: readonly (readonly [objectClass: number, id: string, label: string])[];
  readonly mechanisms: readonly (readonly [type: number, minKeySize: number, maxKeySize: number])[];
  /** Messages for the log about repairs before the login. */
  readonly notices: readonly string[];
}
