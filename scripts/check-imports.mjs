// Fails where an import goes against the direction that ARCHITECTURE.md allows: transports → operations →
// (policy, keys, audit) → (hsm, store); client and daemon share only proto.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const top = join(dirname(fileURLToPath(import.meta.url)), '..');

/** For each room the rooms that it may import besides itself. Rooms not listed may import anything. */
const allowed = {
  proto: [],
  client: ['proto'],
  'daemon/observability': ['proto'],
  // Durable files: below everything, like the log.
  'daemon/files': [],
  'daemon/tls': [],
  'daemon/config': ['proto'],
  'daemon/hsm': ['proto', 'daemon/config', 'daemon/files', 'daemon/observability'],
  'daemon/store': ['proto', 'daemon/files', 'daemon/observability'],
  'daemon/audit': ['proto', 'daemon/files', 'daemon/tls', 'daemon/observability'],
  'daemon/keys': ['proto', 'daemon/hsm', 'daemon/store', 'daemon/observability'],
  'daemon/policy': ['proto', 'daemon/identity', 'daemon/store', 'daemon/observability'],
  'daemon/identity': ['proto', 'daemon/hsm', 'daemon/store', 'daemon/config', 'daemon/observability'],
  'daemon/journal': ['proto', 'daemon/audit', 'daemon/pipeline', 'daemon/store', 'daemon/observability'],
  'daemon/operations': [
    'daemon/pipeline',
    'daemon/journal',
    'proto',
    'daemon/policy',
    'daemon/keys',
    'daemon/audit',
    'daemon/identity',
    'daemon/hsm',
    'daemon/store',
    'daemon/config',
    'daemon/observability',
  ],
  'daemon/lifecycle': [
    'daemon/pipeline',
    'daemon/journal',
    'proto',
    'daemon/operations',
    'daemon/keys',
    'daemon/store',
    'daemon/observability',
  ],
  'daemon/transports': [
    'proto',
    'daemon/operations',
    'daemon/pipeline',
    'daemon/identity',
    'daemon/config',
    'daemon/tls',
    'daemon/observability',
  ],
};

function room(path) {
  return Object.keys(allowed).find((name) => path.startsWith(`${name}/`)) ?? dirname(path);
}

const faults = [];
for (const file of readdirSync(top, { recursive: true })) {
  if (!/^(proto|client|daemon)\/.*\.ts$/.test(file)) continue;
  const from = room(file);
  if (!(from in allowed)) continue;
  for (const [, target] of readFileSync(join(top, file), 'utf8').matchAll(/from '(\.[^']+)'/g)) {
    const to = room(relative(top, join(top, dirname(file), target)));
    if (to !== from && !allowed[from].includes(to))
      faults.push(`${file} imports ${target}: ${from} may not import ${to}`);
  }
}
for (const fault of faults) console.error(fault);
process.exit(faults.length > 0 ? 1 : 0);
