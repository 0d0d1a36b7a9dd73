// The paths inside a home that Keyhold itself names. Those that a user may choose are in the configuration, and names of
// the files of an HSM module in its profile.
import { join } from 'node:path';

/**
 * Every file and folder of a home.
 * @param home absolute path of the folder that KEYHOLD_HOME names
 */
export const homePaths = (home: string) => ({
  configuration: join(home, 'keyhold.yaml'),
  /** The metadata store, a folder. */
  metadata: join(home, 'metadata'),
  /** The audit log, a folder. */
  audit: join(home, 'audit'),
  /** How far each audit sink is, a folder. */
  auditSinks: join(home, 'audit-sinks'),
  auditPublicKey: join(home, 'audit-public-key.pem'),
  /** The root's access key, in AWS's format. */
  credentials: join(home, 'credentials'),
  /** AWS's configuration for clients. */
  clientConfig: join(home, 'config'),
  /** What a shell reads to use this daemon. */
  env: join(home, 'env'),
  /** The folder of the command line. */
  bin: join(home, 'bin'),
  /** The daemon's unless the configuration names another one. */
  socket: join(home, 'keyhold.sock'),
  tls: join(home, 'tls'),
  serverCertificate: join(home, 'tls', 'server.pem'),
  serverKey: join(home, 'tls', 'server.key'),
  /** Of modules that keep their tokens in files. */
  tokens: join(home, 'tokens'),
  softhsmTokens: join(home, 'tokens', 'softhsm2'),
  securityOfficerPin: join(home, 'tokens', 'so-pin'),
  /** Of an init that was interrupted, a folder. */
  initialising: join(home, 'initialising'),
  /** Which stores refuse to log in again, a folder. */
  latches: join(home, 'latch'),
});
