// Which part may import which. `npm run lint` checks it; type imports count like all others.
// Every folder of `allowed` may import itself and what is listed; all of them may import the libraries in node_modules.

/** By folder of daemon/, what it may import of daemon/. proto/ and observability/ are open to all. */
const allowed = {
  config: ['files'],
  files: [],
  tls: [],
  backup: ['config', 'files', 'store/store'],
  observability: [],
  store: ['files'],
  hsm: ['config', 'files'],
  audit: ['files', 'tls'],
  keys: [
    'hsm/key-store',
    'hsm/key-store-event',
    'hsm/token-description',
    'hsm/curves',
    'hsm/link-messages',
    'hsm/link-objects',
    'hsm/link-statements',
    'hsm/watched-timeout',
    'store/records',
    'hsm/secrets',
  ],
  identity: ['hsm/key-store', 'hsm/secrets', 'store/records'],
  policy: ['identity'],
  journal: ['store', 'audit'],
  pipeline: [
    'backup',
    'journal',
    'keys',
    'identity',
    'policy',
    'audit',
    'store',
    'hsm/key-store',
    'hsm/secrets',
    'regions/peer',
    'regions/replication',
    'regions/services',
  ],
  operations: [
    'pipeline',
    'journal',
    'keys',
    'identity',
    'policy',
    'audit/event',
    'audit/query',
    'hsm/key-store',
    'hsm/link-messages',
    'hsm/link-objects',
    'hsm/secrets',
    'regions',
  ],
  lifecycle: [
    'pipeline/operation',
    'journal',
    'keys',
    'identity',
    'policy',
    'audit/event',
    'store/records',
    'regions/deleted-replicas',
  ],
  transports: ['pipeline', 'identity', 'config/schema', 'tls'],
  regions: [
    'keys',
    'journal',
    'identity/certificates/pem',
    'audit/event',
    'hsm/key-store',
    'hsm/link-messages',
    'hsm/link-objects',
    'hsm/link-statements',
    'hsm/secrets',
    'store/records',
    'tls',
  ],
};

const open = ['proto', 'daemon/observability'];

const directions = Object.entries(allowed).map(([folder, others]) => ({
  name: `imports-of-${folder}`,
  severity: 'error',
  from: { path: `^daemon/${folder}/` },
  to: {
    path: '^(daemon|client|proto)/',
    pathNot: [...open, `daemon/${folder}`, ...others.map((other) => `daemon/${other}`)].map(
      (each) => `^${each}(/|\\.ts$)`,
    ),
  },
}));

/**
 * What nothing outside imports, such as programs that are started by the path of their file, which no import shows. The
 * files of `types` may import types of it.
 */
const closed = [
  {
    name: 'admin-programs-are-started',
    comment: 'client/cli/programs.ts starts them as processes.',
    to: '^daemon/admin/',
  },
  {
    name: 'the-command-line-is-started',
    comment: 'daemon/app/client-files.ts writes a home a file that starts it.',
    to: '^client/cli/',
  },
  {
    name: 'workers-are-started',
    comment:
      'daemon/hsm/pool/worker-process.ts starts them. The codec of a job names the session that executes it. The ceremony uses parts.',
    to: '^daemon/hsm/worker/',
    importers: '^daemon/hsm/(worker|link)/',
    types: '^daemon/hsm/jobs/job\\.ts$',
  },
  {
    name: 'ceremonies-have-a-process',
    comment: 'Programs of admin run the ceremonies of links. The daemon has no PIN of an officer.',
    to: '^daemon/hsm/link/',
    importers: '^daemon/(hsm/link|admin)/',
  },
  {
    name: 'the-daemon-loads-no-module',
    comment:
      'PKCS#11 modules run in workers and in programs of admin/hsm. Settings of a start have their types.',
    to: '^daemon/hsm/pkcs11/',
    importers: '^daemon/(hsm/(worker|link)|admin/hsm)/',
    types: '^daemon/hsm/(start-settings|pool/config)\\.ts$',
  },
].flatMap(({ name, comment, to, importers = to, types }) => [
  {
    name,
    comment,
    severity: 'error',
    from: { pathNot: [to, importers, ...(types ? [types] : [])] },
    to: { path: to },
  },
  ...(types
    ? [
        {
          name: `${name}-but-for-types`,
          comment,
          severity: 'error',
          from: { path: types },
          to: { path: to, dependencyTypesNot: ['type-only'] },
        },
      ]
    : []),
]);

export default {
  forbidden: [
    {
      name: 'no-cycle',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'proto-imports-nothing',
      severity: 'error',
      from: { path: '^proto/' },
      to: { path: '^(client|daemon)/' },
    },
    {
      name: 'client-imports-proto-alone',
      severity: 'error',
      from: { path: '^client/' },
      to: { path: '^daemon/' },
    },
    {
      name: 'daemon-imports-no-client',
      severity: 'error',
      from: { path: '^daemon/' },
      // Its provider of WebCrypto, with which @peculiar/x509 makes the certificates of a new home.
      to: { path: '^client/', pathNot: '^client/crypto\\.ts$' },
    },
    {
      name: 'every-folder-has-a-direction',
      comment: 'A new folder of daemon/ is added to the table above.',
      severity: 'error',
      from: {
        path: '^daemon/',
        pathNot: `^daemon/(main\\.ts$|(app|admin|${Object.keys(allowed).join('|')})/)`,
      },
      to: {},
    },
    {
      name: 'only-main-and-admin-import-app',
      severity: 'error',
      from: { path: '^daemon/', pathNot: '^daemon/(main\\.ts$|(app|admin)/)' },
      to: { path: '^daemon/(app|admin)/' },
    },
    {
      name: 'main-imports-app-alone',
      severity: 'error',
      from: { path: '^daemon/main\\.ts$' },
      to: { path: '^(daemon|client|proto)/', pathNot: '^daemon/app/' },
    },
    {
      name: 'app-imports-no-program',
      severity: 'error',
      from: { path: '^daemon/app/' },
      to: { path: '^daemon/admin/' },
    },
    {
      name: 'only-app-knows-implementations',
      comment: 'LevelDB, the pool of workers and the listeners are behind interfaces everywhere else.',
      severity: 'error',
      from: { path: '^daemon/', pathNot: '^daemon/(app|admin|hsm|store|transports)/' },
      to: { path: '^daemon/(hsm/(pool|worker|pkcs11)|store/leveldb|transports)/' },
    },
    {
      name: 'keys-have-a-front',
      severity: 'error',
      from: { path: '^daemon/', pathNot: '^daemon/keys/' },
      to: { path: '^daemon/keys/', pathNot: '^daemon/keys/index\\.ts$' },
    },
    {
      name: 'one-file-chooses-the-store',
      comment: 'Beside it, keyhold init notes what it has begun in a LevelDB of its own.',
      severity: 'error',
      from: {
        path: '^daemon/',
        pathNot: '^daemon/(store/leveldb/|app/opening/open-store\\.ts$|admin/init/journal\\.ts$)',
      },
      to: { path: '^daemon/store/leveldb/' },
    },
    ...directions,
    ...closed,
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    includeOnly: '^(daemon|client|proto)/',
    exclude: '^client/dist/',
  },
};
