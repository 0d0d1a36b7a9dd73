// The schema of `audit.sinks` in the configuration.
import { z } from 'zod';

/** Facilities by the names that syslog daemons use (RFC 5424, section 6.2.1, table 1). */
const facilities = {
  kern: 0,
  user: 1,
  mail: 2,
  daemon: 3,
  auth: 4,
  syslog: 5,
  lpr: 6,
  news: 7,
  uucp: 8,
  cron: 9,
  authpriv: 10,
  ftp: 11,
  ntp: 12,
  audit: 13,
  alert: 14,
  clock: 15,
  local0: 16,
  local1: 17,
  local2: 18,
  local3: 19,
  local4: 20,
  local5: 21,
  local6: 22,
  local7: 23,
} as const;

const facilityNames = Object.keys(facilities) as (keyof typeof facilities)[];

const syslog = z
  .strictObject({
    type: z.literal('syslog').default('syslog'),
    host: z.string().min(1),
    port: z.number().int().min(1).max(65535).default(6514),
    /** The name in the receiver's certificate; default: `host`. */
    serverName: z.string().min(1).optional(),
    /** PEM file of the CAs that the receiver's certificate must be issued by; default: the public ones. */
    ca: z.string().min(1).optional(),
    /** PEM files of the daemon's client certificate and its key. */
    certificate: z.string().min(1).optional(),
    key: z.string().min(1).optional(),
    facility: z
      .enum(facilityNames)
      .default('audit')
      .transform((name) => facilities[name]),
    /** APP-NAME and HOSTNAME, RFC 5424, sections 6.2.4 and 6.2.5. */
    appName: z
      .string()
      .regex(/^[!-~]{1,48}$/, '1 to 48 printable ASCII characters')
      .default('keyhold'),
    hostname: z
      .string()
      .regex(/^[!-~]{1,255}$/, '1 to 255 printable ASCII characters')
      .optional(),
    /**
     * Private enterprise number in `[keyhold@…]`. Keyhold has none, so the default is the one for documentation (RFC
     * 5612).
     */
    enterpriseNumber: z.number().int().positive().default(32_473),
    /** A connection is closed, which confirms what it carried, after this time or number of bytes. */
    confirmSeconds: z.number().positive().max(3_600).default(30),
    confirmBytes: z
      .number()
      .int()
      .min(65_536)
      .default(16 * 1024 * 1024),
  })
  .refine(({ certificate, key }) => (certificate === undefined) === (key === undefined), {
    message: "'certificate' and 'key' go together",
  });

/** The sinks by name, which is also the name of the file with the sink's position. */
export const sinks = z.record(
  z.string().regex(/^[a-z0-9][a-z0-9-]{0,31}$/, '1 to 32 lower-case letters, digits and hyphens'),
  syslog,
);
