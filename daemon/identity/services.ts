import type { AccessKeys } from './access-keys.js';
import type { Identities } from './identities.js';
import type { Sessions } from './sessions/sessions.js';

/** What this folder offers handlers. */
export interface IdentityServices {
  /** Users, roles and managed policies. */
  readonly identities: Identities;
  readonly accessKeys: AccessKeys;
  /** Temporary credentials. */
  readonly sessions: Sessions;
}
