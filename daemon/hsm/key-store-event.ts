// Events of a key store, for the log and for the connection states of custom key stores.
import type { HsmError, HsmErrorCode, KeyStoreState } from './key-store.js';
import type { JobName } from './jobs/table.js';

/** How a token refuses a login. */
export type LoginRefusal = Extract<HsmErrorCode, 'login-refused' | 'pin-locked'>;

/** What happened to a key store. */
export type KeyStoreEvent =
  | { readonly type: 'state'; readonly state: KeyStoreState }
  | { readonly type: 'worker-ready'; readonly pid: number }
  | {
      readonly type: 'worker-lost';
      readonly pid: number;
      readonly reason: string;
      /** How many jobs it had not answered. */
      readonly unanswered: number;
    }
  /** Something that was repaired before the login. */
  | { readonly type: 'notice'; readonly notice: string }
  | { readonly type: 'start-failed'; readonly error: HsmError; readonly retryIn: number }
  | { readonly type: 'login-refused'; readonly refusal: LoginRefusal; readonly reason: string }
  /** Two workers died of this job. */
  | {
      readonly type: 'job-abandoned';
      readonly kind: JobName;
      readonly ids: string[];
      readonly reason: string;
    };
