// Events of a key store, for the log and for the connection states of custom key stores.
import type { HsmError, HsmErrorCode, KeyStoreState } from './key-store.js';
import type { JobName } from './jobs/table.js';

/** The ways in which a token refuses a login. */
export type LoginRefusal = Extract<HsmErrorCode, 'login-refused' | 'pin-locked'>;

/** An event of a key store. */
export type KeyStoreEvent =
  | { readonly type: 'state'; readonly state: KeyStoreState }
  | { readonly type: 'worker-ready'; readonly pid: number }
  | {
      readonly type: 'worker-lost';
      readonly pid: number;
      readonly reason: string;
      /** Number of jobs that the worker had not answered. */
      readonly unanswered: number;
    }
  /** Something was repaired before the login. */
  | { readonly type: 'notice'; readonly notice: string }
  | { readonly type: 'start-failed'; readonly error: HsmError; readonly retryIn: number }
  | { readonly type: 'login-refused'; readonly refusal: LoginRefusal; readonly reason: string }
  /** Two workers died while they had this job. */
  | {
      readonly type: 'job-abandoned';
      readonly kind: JobName;
      readonly ids: string[];
      readonly reason: string;
    };
