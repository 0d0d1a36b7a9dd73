// Which condition keys each permission supplies, and which values they have in one request of each operation.
import t from 'tap';
import { conditionsOf, suppliedBy } from '../../daemon/pipeline/condition-keys.js';
import type { Services } from '../../daemon/pipeline/operation.js';
import { operationTable } from '../../daemon/operations/table.js';
import type { Caller } from '../../daemon/identity/caller.js';
import type { Key } from '../../daemon/keys/key.js';
import { isKnownKey, multivaluedKeys } from '../../daemon/policy/lint/vocabulary.js';
import { KeyError } from '../../daemon/keys/errors.js';
import {
  account,
  arnOfPolicy,
  context,
  keyId,
  namer,
  ofKeys,
  ofRequests,
  own,
  type Values,
} from './expected-conditions.js';

/** Condition keys of AWS KMS that no request here has, because no AWS service calls on somebody's behalf. */
const neverThere = ['kms:ViaService'];

const key = {
  arn: namer.keyArn(keyId),
  record: {
    keyId,
    keySpec: 'HMAC_256',
    keyUsage: 'GENERATE_VERIFY_MAC',
    origin: 'EXTERNAL',
    multiRegion: true,
    tags: [{ tagKey: 'Team', tagValue: 'blue' }],
  },
} as unknown as Key;

const keyring = {
  namer,
  key: (id: string) => (id === keyId ? key : undefined),
  find(identifier: string) {
    if (identifier === 'alias/used' || identifier === keyId) return key;
    throw new KeyError('not-found', `There is no ${identifier}.`);
  },
  findByKeyId: () => key,
  aliasesOf: () => [{ aliasName: 'alias/used' }, { aliasName: 'alias/other' }],
};
const constraint = {
  type: 'EncryptionContextEquals',
  pairs: Object.entries(context.encryptionContext),
};
const tagged = () => ({
  record: { type: 'User', tags: [{ key: 'Level', value: '3' }], boundary: 'present' },
});
const services = {
  keyring,
  limits: {
    longestPendingWindowInDays: 30,
    shortestRotationPeriodInDays: 90,
    longestRotationPeriodInDays: 2_560,
  },
  grants: { get: () => ({ keyId, grantId: 'f'.repeat(64), constraint }) },
  accessKeys: { info: () => undefined },
  identities: {
    account,
    roleByArn: tagged,
    role: tagged,
    user: tagged,
    policy: (name: string) => ({ arn: arnOfPolicy(name) }),
  },
} as unknown as Services;
const caller = {
  type: 'AssumedRole',
  principalId: 'AROA1:one',
  arn: `arn:aws:sts::${account}:assumed-role/app/one`,
  account,
  role: { arn: `arn:aws:iam::${account}:role/app`, record: { tags: [{ key: 'Level', value: '1' }] } },
  session: { issuedAt: 1_700_000_000, tags: [{ key: 'level', value: '2' }], transitiveTagKeys: [] },
} as unknown as Caller;
const origin = { region: 'us-east-1', sourceAddress: '10.0.0.1', userAgent: 'test' };

const permissions = [...operationTable.values()].flatMap(({ name, permissions }) =>
  permissions.map((permission) => [`${name} ${permission.action}`, permission] as const),
);

/** `kms:EncryptionContext:dept` → `kms:EncryptionContext:` */
function nameIn(supplied: readonly string[], key: string): string {
  return supplied.includes(key)
    ? key
    : (supplied.find((name) => /[:/]$/.test(name) && key.startsWith(name)) ?? key);
}

void t.test('every permission supplies the condition keys that it should, and no others', (t) => {
  const rows: ReadonlySet<string> = new Set(permissions.map(([title]) => title));
  t.strictSame(
    Object.keys(own).filter((title) => !rows.has(title)),
    [],
    'each row is of a permission',
  );
  for (const [title, permission] of permissions) {
    const supplied = Object.keys(suppliedBy(permission));
    const mine = Object.keys(own[title]?.values ?? {}).map((name) => nameIn(supplied, name));
    const expected = new Set([...ofRequests, ...(permission.key ? ofKeys : []), ...mine]);
    t.strictSame(supplied.sort(), [...expected].sort(), title);
    const unknown = supplied.filter(
      (name) => !isKnownKey(`${name.toLowerCase()}${/[:/]$/.test(name) ? 'x' : ''}`),
    );
    t.strictSame(unknown, [], `${title}: keyhold policy lint knows them`);
  }
  t.end();
});

void t.test('their values are those of the request, or its defaults', (t) => {
  for (const [title, permission] of permissions) {
    const { request, values } = own[title] ?? { request: {}, values: {} };
    const lookup = conditionsOf(permission, {
      request,
      key: permission.key && key,
      services,
      caller,
      origin,
    });
    for (const [name, value] of Object.entries(values)) {
      const expected = typeof value === 'string' ? [value] : value;
      t.strictSame(lookup(name.toLowerCase()), expected, `${title}: ${name}`);
      if (Array.isArray(value) && value.length > 1)
        t.ok(multivaluedKeys.has(name.toLowerCase()), `${name} is known to have several values`);
    }
    for (const name of neverThere) t.equal(lookup(name.toLowerCase()), undefined);
  }
  t.end();
});

void t.test('those of a key and of every request describe the key, the caller and the connection', (t) => {
  const permission = operationTable.get('GenerateMac')!.permissions[0]!;
  const request = { keyId };
  const lookup = conditionsOf(permission, { request, key, services, caller, origin });
  const expected: Values = {
    'kms:KeySpec': 'HMAC_256',
    'kms:CustomerMasterKeySpec': 'HMAC_256',
    'kms:KeyUsage': 'GENERATE_VERIFY_MAC',
    'kms:CustomerMasterKeyUsage': 'GENERATE_VERIFY_MAC',
    'kms:KeyOrigin': 'EXTERNAL',
    'kms:MultiRegion': 'true',
    'kms:MultiRegionKeyType': 'PRIMARY',
    'kms:ResourceAliases': ['alias/used', 'alias/other'],
    'aws:ResourceTag/team': ['blue'],
    'aws:PrincipalArn': `arn:aws:iam::${account}:role/app`,
    'aws:PrincipalAccount': account,
    'kms:CallerAccount': account,
    'aws:PrincipalType': 'AssumedRole',
    'aws:PrincipalTag/level': '2',
    'aws:userid': 'AROA1:one',
    'aws:username': undefined,
    'aws:TokenIssueTime': '2023-11-14T22:13:20Z',
    'aws:MultiFactorAuthPresent': 'false',
    'aws:SourceIp': '10.0.0.1',
    'aws:SecureTransport': 'true',
    'aws:UserAgent': 'test',
    'aws:RequestedRegion': 'us-east-1',
  };
  for (const [name, value] of Object.entries(expected))
    t.strictSame(lookup(name.toLowerCase()), typeof value === 'string' ? [value] : value, name);
  t.match(lookup('aws:currenttime')?.[0], /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  t.ok(Math.abs(Number(lookup('aws:epochtime')?.[0]) - Date.now() / 1000) < 5);
  t.end();
});

void t.test(
  'kms:MultiRegionKeyType tells replica keys from primary keys, and keys of one Region have none',
  (t) => {
    const permission = operationTable.get('GenerateMac')!.permissions[0]!;
    const regions = { primaryRegion: 'eu-central-1', replicaRegions: ['us-east-1'], revision: 1 };
    const cases = [
      [{ multiRegion: true, regions: { ...regions, role: 'REPLICA' } }, 'true', ['REPLICA']],
      [{ multiRegion: true, regions: { ...regions, role: 'PRIMARY' } }, 'true', ['PRIMARY']],
      [{ multiRegion: true }, 'true', ['PRIMARY']],
      [{ multiRegion: false }, 'false', undefined],
    ] as const;
    for (const [related, isMultiRegion, type] of cases) {
      const one = { ...key, record: { ...key.record, ...related } } as unknown as Key;
      const lookup = conditionsOf(permission, { request: { keyId }, key: one, services, caller, origin });
      t.strictSame(lookup('kms:multiregion'), [isMultiRegion]);
      t.strictSame(lookup('kms:multiregionkeytype'), type);
    }
    t.end();
  },
);
