// The fixed paths inside a home. Paths that a user may choose are in the configuration; the files of an HSM module are in its
// profile.
import { join } from 'node:path';

/**
 * Returns the paths of a home's files and folders.
 * @param home absolute path of KEYHOLD_HOME
 */
export const homePaths = (home: string) => ({
  configuration: join(home, 'keyhold.yaml'),
  /** Folder of the metadata store. */
  metadata: join(home, 'metadata'),
  /** Folder of the audit log. */
  audit: join(home, 'audit'),
  /** Folder of the indexes of the audit log, which can be made again. */
  auditIndex: join(home, 'audit-index'),
  /** Folder with the position of each audit sink. */
  auditSinks: join(home, 'audit-sinks'),
  /** The backup that the daemon made last, a folder. */
  backups: join(home, 'backups'),
  /** A restore that has not ended, a folder. */
  restoring: join(home, 'restoring'),
  auditPublicKey: join(home, 'audit-public-key.pem'),
  /** The root's access key, in AWS's format. */
  credentials: join(home, 'credentials'),
  /** AWS's configuration for clients. */
  clientConfig: join(home, 'config'),
  /** Environment variables for a shell that uses this daemon. */
  env: join(home, 'env'),
  /** Folder of the command-line program. */
  bin: join(home, 'bin'),
  /** The Unix socket, unless the configuration names another one. */
  socket: join(home, 'keyhold.sock'),
  tls: join(home, 'tls'),
  serverCertificate: join(home, 'tls', 'server.pem'),
  serverKey: join(home, 'tls', 'server.key'),
  /** Folder for modules that keep their tokens in files. */
  tokens: join(home, 'tokens'),
  softhsmTokens: join(home, 'tokens', 'softhsm2'),
  securityOfficerPin: join(home, 'tokens', 'so-pin'),
  /** Folder of an unfinished init. */
  initialising: join(home, 'initialising'),
  /** Folder of the latches that block logins after a wrong PIN. */
  latches: join(home, 'latch'),
});
