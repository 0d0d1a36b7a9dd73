import { z } from 'zod';
import { sinks } from './sinks.js';

const positive = z.number().int().positive();

/** The source of a PIN; exactly one of the three. It is read for each start of a worker. */
const pinSource = z
  .strictObject({
    /** A file with mode 0600 whose first line is the PIN; relative to KEYHOLD_HOME. */
    file: z.string().min(1).optional(),
    /** An environment variable of the daemon. */
    env: z.string().min(1).optional(),
    /** A program and its arguments; the first line that it prints is the PIN. */
    command: z.array(z.string().min(1)).min(1).optional(),
    /** A credential that systemd passes to the service (systemd.exec(5), LoadCredential), whose first line is the PIN. */
    credential: z
      .string()
      .regex(/^(?!\.)[A-Za-z0-9._-]{1,255}$/, "the name of a credential, such as 'pin'")
      .optional(),
  })
  .refine((source) => Object.values(source).filter((value) => value !== undefined).length === 1, {
    message: "name exactly one of 'file', 'env', 'command' and 'credential'",
  });

/** A token and the way to log in. */
const token = z.strictObject({
  /** Name of a profile in hsm-config; or the path of one, `….yaml`, relative to KEYHOLD_HOME. */
  profile: z
    .string()
    .regex(/^([a-z0-9-]+|.+\.yaml)$/, "a name of lower-case letters, digits and hyphens, or a path '….yaml'"),
  /** Label or serial number of the token; or its slot ID, if the profile allows that. */
  tokenLabel: z.string().min(1).max(32).optional(),
  tokenSerial: z.string().min(1).max(16).optional(),
  tokenSlot: z.number().int().nonnegative().optional(),
  /** The user who logs in, for modules whose PINs name a user. */
  user: z.string().min(1).optional(),
  /** Worker processes; default: as many as cores, at least two. */
  workers: positive.max(64).optional(),
});

/** The PIN may be absent only if it is entered at the device. */
const hsm = token.extend({ pin: pinSource.optional() });

/** A token for a custom key store. Its PIN comes from here if the store's password is `from-configuration`. */
const cluster = token.extend({ pin: pinSource.optional() }).refine(hasName, {
  message: "name the token: 'tokenLabel', 'tokenSerial', 'tokenSlot' or more than one of them",
});

function hasName({ tokenLabel, tokenSerial, tokenSlot }: z.output<typeof token>): boolean {
  return tokenLabel !== undefined || tokenSerial !== undefined || tokenSlot !== undefined;
}

/** CloudHsmClusterId of the API: clients accept 19 to 24 characters. */
const clusterId = z
  .string()
  .regex(/^cluster-[A-Za-z0-9-]{11,16}$/, "'cluster-' and 11 to 16 letters, digits and hyphens");

const listen = z.strictObject({
  /** Unix socket, relative to KEYHOLD_HOME. */
  socket: z.string().min(1).default('keyhold.sock'),
  /** Group of the socket, by name or number; the daemon's user must belong to it. Default: the group of that user. */
  socketGroup: z
    .string()
    .regex(/^([a-z_][a-z0-9_-]{0,31}|[0-9]{1,10})$/, 'the name or number of a group')
    .optional(),
  /** Who may connect: the daemon's user, its group, or everybody. */
  socketMode: z.enum(['0600', '0660', '0666']).default('0660'),
  host: z.string().min(1).default('127.0.0.1'),
  /** 0: any free port. KEYHOLD_PORT overrides it. */
  port: z.number().int().min(0).max(65535).default(7443),
  /** HTTP without TLS, for programs on this machine that cannot do TLS; no native protocol. Default: none. */
  http: z
    .strictObject({
      host: z
        .string()
        .regex(/^(127\.[0-9]+\.[0-9]+\.[0-9]+|::1)$/, 'a loopback address, 127.0.0.1 or ::1')
        .default('127.0.0.1'),
      port: z.number().int().min(0).max(65535),
    })
    .optional(),
});

/** Maps a client certificate to a user or role. */
const certificateMapping = z
  .strictObject({
    /** A URI of the subject alternative name, such as a SPIFFE ID. */
    uri: z.string().min(1).optional(),
    /** The subject, as `openssl x509 -noout -subject -nameopt RFC2253,-esc_msb` prints it. */
    subject: z.string().min(1).optional(),
    /** ARN of a user or role. */
    principal: z.string().regex(/^arn:aws:iam::[0-9]{12}:(user|role)\/.+$/, 'the ARN of a user or role'),
  })
  .refine(({ uri, subject }) => (uri === undefined) !== (subject === undefined), {
    message: "name exactly one of 'uri' and 'subject'",
  });

/** A DNS name (RFC 1123, section 2.1), or an IPv4 or IPv6 address without brackets. */
const serverName = z.union(
  [
    z.ipv4(),
    z.ipv6(),
    z
      .string()
      .max(253)
      .regex(
        /^(?![0-9.]+$)([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$/,
      ),
  ],
  { error: 'a DNS name or an IP address' },
);

const tls = z
  .strictObject({
    /** By which clients reach the TLS port, the usual one first: certificates of Keyhold's own CA have them. */
    names: z.array(serverName).default([]),
    certificate: z.string().min(1).default('tls/server.pem'),
    key: z.string().min(1).default('tls/server.key'),
    /** The CA that clients are told to trust. */
    ca: z.string().min(1).default('tls/ca.pem'),
    /** CAs of accepted client certificates; without it none is requested. */
    clientCa: z.string().min(1).optional(),
    /** The certificate revocation lists of these CAs, one of each. */
    crl: z.string().min(1).optional(),
    mapping: z.array(certificateMapping).default([]),
  })
  .refine(({ clientCa, crl, mapping }) => clientCa !== undefined || (!crl && mapping.length === 0), {
    message: "'crl' and 'mapping' need 'clientCa'",
  });

const atMost = (limit: number) => positive.max(limit).default(limit);
const between = (least: number, most: number, usual: number) =>
  z.number().int().min(least).max(most).default(usual);

/** Limits of fields in requests: those of AWS KMS, which the configuration can only tighten. */
const fieldLimits = {
  plaintextBytes: atMost(4_096),
  ciphertextBytes: atMost(6_144),
  /** Messages of Sign, Verify, GenerateMac and VerifyMac. */
  messageBytes: atMost(4_096),
  randomBytes: atMost(1_024),
  encryptionContextBytes: atMost(8_192),
  descriptionLength: atMost(8_192),
  aliasLength: atMost(256),
  grantTokens: atMost(10),
  /** Entries on a page of any list; some lists have lower limits. */
  listLength: atMost(1_000),
  shortestPendingWindowInDays: between(7, 30, 7),
  longestPendingWindowInDays: between(7, 30, 30),
  shortestRotationPeriodInDays: between(90, 2_560, 90),
  longestRotationPeriodInDays: between(90, 2_560, 2_560),
};

/** The limits of fields without a configuration. */
export const defaultFieldLimits = z.strictObject(fieldLimits).parse({});

const limits = z.strictObject({
  ...fieldLimits,
  /** Maximum length of a frame of the native protocol, in bytes. */
  frameBytes: positive.default(65_536),
  inFlightPerConnection: positive.default(1_024),
  /** Connections of the native protocol, for all principals. */
  connections: positive.default(4_096),
  /** Connections of the AWS endpoint, for all principals, in addition to those of the native protocol. */
  httpConnections: positive.default(4_096),
  /** Connections of one principal, for each of the two protocols; at most half of all. */
  connectionsPerPrincipal: positive.default(1_024),
  /** Connections from one address, or IPv6 /64, for each of the two; at most three quarters of all. */
  connectionsPerSource: positive.default(3_072),
  /** Connections reserved for the account root, for each of the two; at most a quarter of all. */
  connectionsForRoot: positive.default(64),
  /** Unauthenticated connections; a further one closes the oldest. */
  unauthenticatedConnections: positive.default(2_048),
  unauthenticatedConnectionsPerSource: positive.default(1_024),
  /** Signed upgrades within ten minutes. The signature of each is remembered, because it is accepted only once. */
  upgrades: positive.default(100_000),
  /** Upgrades of one principal; at most half of all. */
  upgradesPerPrincipal: positive.default(10_000),
  /** Upgrades from one source; at most three quarters of all. */
  upgradesPerSource: positive.default(50_000),
  /** Upgrades reserved for the account root; at most a quarter of all. */
  upgradesForRoot: positive.default(1_000),
  /** Maximum length of a request's body on the AWS endpoint, in bytes. */
  bodyBytes: positive.default(262_144),
  /** Bytes of all requests, on all transports, from their first byte until their responses have been sent. */
  requestBytes: positive.default(67_108_864),
  /** Bytes of one principal's requests; at most half of all. */
  requestBytesPerPrincipal: positive.default(33_554_432),
  /** Bytes of all requests on unauthenticated connections. */
  unauthenticatedRequestBytes: positive.default(8_388_608),
  /** Requests in flight on all connections of a principal. */
  inFlightPerPrincipal: positive.default(4_096),
  /** Requests that are executed at the same time. Waiting ones are served round-robin across principals. */
  executing: positive.default(512),
  /** Requests of one principal among them, while other principals have requests too. */
  executingBesideOthers: positive.default(64),
  /** Jobs that wait for the HSM, for each key store. */
  queue: positive.default(8_192),
  keys: positive.default(100_000),
  aliasesPerKey: positive.default(50),
  tagsPerKey: positive.default(50),
  onDemandRotationsPerKey: positive.default(25),
  wrappingKeysPerKey: positive.default(4),
  grantsPerKey: positive.default(50_000),
  users: positive.default(5_000),
  roles: positive.default(1_000),
  policies: positive.default(1_500),
  /** Managed policies attached to one user or role. */
  policiesPerIdentity: positive.default(10),
  /** Failed authentications from one source in a minute, after which it is throttled. */
  failedAuthentications: positive.default(60),
  customKeyStores: positive.default(10),
  /** Maximum number of messages under one key material; NIST SP 800-38D, section 8.3, allows no more with random IVs. */
  messagesPerMaterial: positive.max(2 ** 32).default(2 ** 32),
});

/** Requests per second of each principal. */
const quotas = z.strictObject({
  /** Shared by Encrypt, Decrypt, ReEncrypt, data keys, MACs and random bytes. */
  symmetric: positive.default(100_000),
  /** Shared by Sign, Verify, DeriveSharedSecret, Encapsulate and Decapsulate. */
  asymmetric: positive.default(100_000),
  dataKeyPairs: positive.default(1_000),
  /** For each other operation that only reads. */
  reads: positive.default(100_000),
  /** For each other operation. */
  changes: positive.default(5_000),
});

const audit = z.strictObject({
  checkpointRecords: positive.default(1_000),
  checkpointSeconds: positive.default(5),
  fileBytes: positive.default(64 * 1024 * 1024),
  /** Where audit records are sent, in addition to the files. */
  sinks: sinks.default({}),
});

/** A port of its own for monitoring, without TLS and authentication. Default: none. */
const metrics = z.strictObject({
  host: z.union([z.ipv4(), z.ipv6()], { error: 'an IP address such as 127.0.0.1' }).default('127.0.0.1'),
  /** 0: any free port. */
  port: z.number().int().min(0).max(65535).default(7444),
});

/** Host and port of {@link https://www.rfc-editor.org/rfc/rfc6455#section-3 a WebSocket URI}, without a path. */
const regionEndpoint = z
  .string()
  .max(300)
  .regex(
    /^wss:\/\/([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}$/,
    "such as 'wss://keyhold.example.com:7445'",
  );

/** A port of its own for linked Regions, for multi-Region keys. Default: none. */
const regions = z
  .strictObject({
    listen: z
      .strictObject({
        host: z
          .union([z.ipv4(), z.ipv6()], { error: 'an IP address such as 127.0.0.1' })
          .default('127.0.0.1'),
        /** 0: any free port. */
        port: z.number().int().min(0).max(65535).default(7445),
      })
      .prefault({}),
    /** Where other Regions reach the port. Default: made of host and port. */
    endpoint: regionEndpoint.optional(),
  })
  .refine(({ listen, endpoint }) => endpoint !== undefined || !['0.0.0.0', '::'].includes(listen.host), {
    message: "give 'endpoint', such as 'wss://keyhold.example.com:7445': other Regions cannot use this host",
  });

/** The schema of `keyhold.yaml`. */
export const configSchema = z
  .strictObject({
    account: z.string().regex(/^[0-9]{12}$/, '12 digits in quotes'),
    region: z.string().regex(/^[a-z]{2}(-[a-z]+)+-[0-9]$/, 'a Region name such as us-east-1'),
    hsm,
    /** Tokens for custom key stores, by CloudHsmClusterId. */
    clusters: z.record(clusterId, cluster).default({}),
    listen: listen.prefault({}),
    tls: tls.prefault({}),
    /** Origins of web pages whose WebSocket upgrades are accepted and whose requests browsers allow (CORS). */
    allowedOrigins: z.array(z.string()).default([]),
    /** Reverse proxies whose X-Forwarded-For, -Host, -Prefix and -Proto headers are believed. */
    trustedProxies: z.array(z.union([z.ipv4(), z.ipv6(), z.cidrv4(), z.cidrv6()])).default([]),
    logLevel: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal']).default('info'),
    /** Whether each request gets a line in the log, at level info. */
    accessLog: z.boolean().default(false),
    metrics: metrics.optional(),
    regions: regions.optional(),
    limits: limits.prefault({}),
    quotas: quotas.prefault({}),
    /** Whether `keyhold seed` may create keys with given IDs and material; for development. */
    allowSeed: z.boolean().default(false),
    /**
     * Hours of uptime before anything is destroyed by date, after the clock was stepped or the daemon was off for over an
     * hour.
     */
    deletionCautionHours: z.number().min(0).default(24),
    audit: audit.prefault({}),
  })
  .superRefine(({ hsm, clusters }, context) => {
    // Two stores on one token would mean two writers, which SoftHSM does not support, and two logins with one wrong PIN.
    const seen = new Map([[nameOf(hsm), 'hsm']]);
    for (const [id, each] of Object.entries(clusters)) {
      const other = seen.get(nameOf(each));
      if (other !== undefined) {
        const message = `is also the token of '${other}': each needs a separate token`;
        context.addIssue({ code: 'custom', path: ['clusters', id], message });
      }
      seen.set(nameOf(each), id);
    }
  });

function nameOf({ profile, tokenLabel, tokenSerial, tokenSlot }: z.output<typeof token>): string {
  return JSON.stringify([profile, tokenLabel, tokenSerial, tokenSlot]);
}

/** The content of `keyhold.yaml`, with defaults. */
export type Config = z.output<typeof configSchema>;
/** A token of the configuration. */
export type TokenConfig = z.output<typeof token>;
/** A token for a custom key store. */
export type ClusterConfig = z.output<typeof cluster>;
/** The source of a PIN. */
export type PinSource = z.output<typeof pinSource>;
