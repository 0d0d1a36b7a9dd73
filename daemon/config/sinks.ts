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

/** Files of TLS: the CAs that the receiver's certificate must be issued by (default: the public ones), and the daemon's own. */
const tlsFiles = {
  ca: z.string().min(1).optional(),
  certificate: z.string().min(1).optional(),
  key: z.string().min(1).optional(),
};

/** A stream's connection is closed, which confirms what it carried, after this time or number of bytes. */
const confirmation = {
  confirmSeconds: z.number().positive().max(3_600).default(30),
  confirmBytes: z
    .number()
    .int()
    .min(65_536)
    .default(16 * 1024 * 1024),
};

const together = {
  isSo: ({ certificate, key }: { certificate?: string | undefined; key?: string | undefined }) =>
    (certificate === undefined) === (key === undefined),
  message: "'certificate' and 'key' go together",
};

const loopback = /^(127\.[0-9]+\.[0-9]+\.[0-9]+|::1|localhost)$/;

const syslog = z
  .strictObject({
    type: z.literal('syslog'),
    host: z.string().min(1).optional(),
    port: z.number().int().min(1).max(65535).default(6514),
    /** Path of a unix stream socket of this machine, in place of host and port. */
    socket: z.string().startsWith('/').max(107).optional(),
    /** false: TCP without TLS, to this machine only. */
    tls: z.boolean().default(true),
    /** The name in the receiver's certificate; default: `host`. */
    serverName: z.string().min(1).optional(),
    ...tlsFiles,
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
    ...confirmation,
  })
  .refine(together.isSo, { message: together.message })
  .refine(({ host, socket }) => (host === undefined) !== (socket === undefined), {
    message: "name exactly one of 'host' and 'socket'",
  })
  .refine(({ host, tls }) => tls || (host !== undefined && loopback.test(host)), {
    message: "'tls: false' needs a 'host' of this machine: 127.0.0.1, ::1 or localhost",
  })
  .refine(
    ({ socket, tls, ...rest }) =>
      (tls && socket === undefined) || !Object.keys(tlsFiles).some((name) => name in rest),
    {
      message: "'ca', 'certificate' and 'key' are for TLS",
    },
  );

const journal = z.strictObject({
  type: z.literal('journal'),
  /** systemd's socket for streams. */
  socket: z.string().startsWith('/').max(107).default('/run/systemd/journal/stdout'),
  /** SYSLOG_IDENTIFIER of the entries. */
  identifier: z
    .string()
    .regex(/^[A-Za-z0-9._-]{1,48}$/, "1 to 48 letters, digits, '.', '_' and '-'")
    .default('keyhold-audit'),
  ...confirmation,
});

const webhook = z
  .strictObject({
    type: z.literal('webhook'),
    url: z.string().refine(isPlainHttps, "a URL 'https://…' without credentials and fragment"),
    /** A file with mode 0600: the secrets that batches are signed with. */
    secretFile: z.string().min(1),
    ...tlsFiles,
    batchBytes: z
      .number()
      .int()
      .min(65_536)
      .max(16 * 1024 * 1024)
      .default(256 * 1024),
    /** How long a batch waits for further records. */
    batchSeconds: z.number().min(0).max(60).default(1),
    /** For a request and its answer. */
    timeoutSeconds: z.number().positive().max(300).default(30),
  })
  .refine(together.isSo, { message: together.message });

function isPlainHttps(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, username, password, hash } = new URL(text);
  return protocol === 'https:' && username === '' && password === '' && hash === '';
}

/** A sink without a type is one by syslog. */
const sink = z.preprocess(
  (value) =>
    typeof value === 'object' && value !== null && !('type' in value) ? { type: 'syslog', ...value } : value,
  z.discriminatedUnion('type', [syslog, journal, webhook]),
);

/** The sinks by name, which is also the name of the file with the sink's position. */
export const sinks = z.record(
  z.string().regex(/^[a-z0-9][a-z0-9-]{0,31}$/, '1 to 32 lower-case letters, digits and hyphens'),
  sink,
);
