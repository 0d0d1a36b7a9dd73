// Management requests with two faults: which one is reported. The order is that of AWS KMS: the request's form, the form
// of the key ID, whether the key exists, permission, the key's state, its kind, the values of the request.
import { randomUUID } from 'node:crypto';
import t from 'tap';
import type { Client } from '../../../client/index.js';
import { TestDaemon } from '../../support/daemon.js';

type Request = Record<string, unknown>;
type Kind = 'symmetric' | 'HMAC' | 'external';
type State = 'Enabled' | 'Disabled' | 'PendingDeletion';

interface Fault {
  readonly name: string;
  /** Faulty members of the request. */
  readonly request?: Request;
  readonly key?: 'absent' | 'alias';
  readonly isStranger?: boolean;
  readonly state?: State;
  readonly kind?: Kind;
  readonly code: string;
  /** KEY stands for the key's ARN. */
  readonly message?: string | RegExp;
}

interface Row {
  readonly kind?: Kind;
  /** The member that names the key; `keyId` by default, none where the request names no key. */
  readonly field?: string | null;
  readonly request?: Request;
  /** Faults in the order in which they are reported, between those of every operation. */
  readonly shape?: Request;
  /** Faults reported before those of the key ID. */
  readonly first?: readonly Fault[];
  /** When a missing permission is reported: before faults of the second key ID or, where a grant decides, after all others. */
  readonly permission?: 'first' | 'last';
  readonly states?: Readonly<Partial<Record<State, string>>>;
  readonly faults?: readonly Fault[];
}

const invalid = 'ValidationException';
const unsupported = 'UnsupportedOperationException';
const deleting = { PendingDeletion: 'KMSInvalidStateException' };
const notEnabled = { Disabled: 'DisabledException', ...deleting };
const account = 'arn:aws:iam::000000000000';
const root = `${account}:root`;
const policy = (principal: string) =>
  JSON.stringify({
    Statement: { Effect: 'Allow', Principal: { AWS: principal }, Action: 'kms:*', Resource: '*' },
  });

const ofHmac = { name: 'an HMAC key', kind: 'HMAC', code: unsupported, message: '' } as const;
const notExternal = {
  name: 'a key of the HSM’s',
  kind: 'symmetric',
  code: unsupported,
  message: 'KEY origin is AWS_KMS which is not valid for this operation.',
} as const;
const noAlias = {
  name: 'no such alias',
  request: { aliasName: 'alias/none' },
  code: 'NotFoundException',
  message: /^Alias \S+ is not found\.$/,
} as const;
const dryRun = { name: 'dry run', request: { dryRun: true }, code: 'DryRunOperationException' };

const rows: Readonly<Record<string, Row>> = {
  EnableKey: { states: deleting },
  DisableKey: { states: deleting },
  UpdateKeyDescription: {
    request: { description: 'x' },
    shape: { description: 'x'.repeat(8_193) },
    states: deleting,
  },
  ScheduleKeyDeletion: { shape: { pendingWindowInDays: 6 }, states: deleting },
  CancelKeyDeletion: { states: { Disabled: 'KMSInvalidStateException' } },
  TagResource: {
    request: { tags: [{ tagKey: 'a', tagValue: 'b' }] },
    shape: { tags: [{ tagKey: 'x'.repeat(129), tagValue: '' }] },
    states: deleting,
    faults: [
      { name: 'reserved', request: { tags: [{ tagKey: 'aws:x', tagValue: '' }] }, code: 'TagException' },
    ],
  },
  UntagResource: {
    request: { tagKeys: ['a'] },
    shape: { tagKeys: [''] },
    states: deleting,
    faults: [{ name: 'reserved', request: { tagKeys: ['aws:x'] }, code: 'TagException' }],
  },
  CreateAlias: {
    field: 'targetKeyId',
    request: { aliasName: 'alias/free' },
    shape: { aliasName: 'alias/x y' },
    states: deleting,
    faults: [{ name: 'taken', request: { aliasName: 'alias/taken' }, code: 'AlreadyExistsException' }],
  },
  UpdateAlias: {
    field: 'targetKeyId',
    request: { aliasName: 'alias/taken' },
    shape: { aliasName: 'alias/x y' },
    first: [noAlias],
    permission: 'first',
    states: deleting,
    faults: [{ ...ofHmac, code: invalid, message: /^/ }],
  },
  DeleteAlias: {
    field: null,
    request: { aliasName: 'alias/taken' },
    shape: { aliasName: 'alias/x y' },
    first: [noAlias],
  },
  PutKeyPolicy: {
    request: { policy: policy(root) },
    shape: { policyName: 'x'.repeat(129) },
    faults: [
      { name: 'another name', request: { policyName: 'other' }, code: 'NotFoundException' },
      {
        name: 'a principal that is not there',
        request: { policy: policy(`${account}:user/nobody`) },
        code: 'MalformedPolicyDocumentException',
        message: /^Policy contains a statement with one or more invalid principals\./,
      },
    ],
  },
  CreateGrant: {
    request: { granteePrincipal: root, operations: ['DescribeKey'] },
    shape: { name: 'a b' },
    states: notEnabled,
    faults: [
      { name: 'an operation of other keys', request: { operations: ['Sign'] }, code: invalid },
      {
        name: 'nobody',
        request: { granteePrincipal: `${account}:role/nobody` },
        code: 'InvalidArnException',
      },
      {
        name: 'two constraints',
        request: {
          constraints: { encryptionContextEquals: { a: '1' }, encryptionContextSubset: { a: '1' } },
        },
        code: invalid,
      },
      dryRun,
    ],
  },
  RevokeGrant: {
    request: { grantId: 'f'.repeat(64) },
    shape: { grantId: 'x'.repeat(129) },
    faults: [
      { name: 'malformed', request: { grantId: 'x' }, code: 'InvalidGrantIdException' },
      { name: 'no such grant', request: {}, code: 'NotFoundException', message: /^Grant ID / },
    ],
  },
  RetireGrant: {
    request: { grantId: 'GRANT' },
    shape: { grantId: 'x'.repeat(129) },
    permission: 'last',
    faults: [
      { name: 'malformed', request: { grantId: 'x' }, code: 'InvalidGrantIdException' },
      {
        name: 'no such grant',
        request: { grantId: 'f'.repeat(64) },
        code: 'NotFoundException',
        message: /^Grant ID /,
      },
    ],
  },
  DisableKeyRotation: { states: notEnabled },
  EnableKeyRotation: { shape: { rotationPeriodInDays: 89 }, states: notEnabled, faults: [ofHmac] },
  RotateKeyOnDemand: { states: notEnabled, faults: [ofHmac] },
  ListKeyRotations: {
    shape: { limit: 1_001 },
    faults: [
      {
        name: 'of an HMAC key',
        kind: 'HMAC',
        request: { includeKeyMaterial: 'ALL_KEY_MATERIAL' },
        code: invalid,
      },
    ],
  },
  GetParametersForImport: {
    kind: 'external',
    request: { wrappingAlgorithm: 'RSAES_OAEP_SHA_256', wrappingKeySpec: 'RSA_2048' },
    states: deleting,
    faults: [
      notExternal,
      { name: 'algorithm', request: { wrappingAlgorithm: 'RSAES_PKCS1_V1_5' }, code: invalid },
    ],
  },
  ImportKeyMaterial: {
    kind: 'external',
    request: {
      importToken: Buffer.from('none'),
      encryptedKeyMaterial: Buffer.alloc(256),
      expirationModel: 'KEY_MATERIAL_DOES_NOT_EXPIRE',
    },
    shape: { encryptedKeyMaterial: Buffer.alloc(0) },
    states: deleting,
    faults: [
      notExternal,
      { name: 'expiry', request: { validTo: 1 }, code: invalid, message: /^A validTo date cannot be set/ },
      { name: 'token', request: {}, code: 'InvalidImportTokenException', message: '' },
    ],
  },
  DeleteImportedKeyMaterial: {
    kind: 'external',
    shape: { keyMaterialId: 'x' },
    faults: [
      notExternal,
      { name: 'no such material', request: { keyMaterialId: 'f'.repeat(64) }, code: invalid },
    ],
  },
};

const absent: Fault = {
  name: 'no such key',
  key: 'absent',
  code: 'NotFoundException',
  message: /^Key '\S+' does not exist$/,
};

function faultsOf(name: string, row: Row): Fault[] {
  const { shape, first = [], states = {}, faults = [], field, permission } = row;
  const named: Fault =
    field === undefined
      ? {
          name: 'an alias',
          key: 'alias',
          code: 'InvalidArnException',
          message: 'Key Aliases are not supported for this operation.',
        }
      : { name: 'an alias', key: 'alias', code: invalid, message: 'Aliases must refer to keys. Not aliases' };
  const denied: Fault = {
    name: 'no permission',
    isStranger: true,
    code: 'AccessDeniedException',
    message: new RegExp(`^User: \\S+ is not authorized to perform: kms:${name} on resource: `),
  };
  return [
    ...(shape ? [{ name: 'shape', request: shape, code: invalid }] : []),
    ...first,
    ...(permission === 'first' ? [denied] : []),
    ...(field === null ? [] : [named, absent]),
    ...(permission === undefined ? [denied] : []),
    ...Object.entries(states).map(([state, code]) => ({ name: state, state: state as State, code })),
    ...faults,
    ...(permission === 'last' ? [denied] : []),
  ];
}

void t.test('of two faults the first is reported', async (t) => {
  const daemon = await TestDaemon.start(t);
  const client = await daemon.connect();
  await client.createUser({ userName: 'stranger' });
  const { accessKeyId = '', secretAccessKey = '' } = (await client.createAccessKey({ userName: 'stranger' }))
    .accessKey;
  const stranger = await daemon.connect({ credentials: { accessKeyId, secretAccessKey } });
  t.teardown(() => Promise.all([client.close(), stranger.close()]));

  const requests = {
    symmetric: {},
    HMAC: { keySpec: 'HMAC_256', keyUsage: 'GENERATE_VERIFY_MAC' },
    external: { origin: 'EXTERNAL' },
  } as const;
  const ids = new Map<string, string>();
  for (const [kind, request] of Object.entries(requests)) {
    for (const state of ['Enabled', 'Disabled', 'PendingDeletion'] as const) {
      const keyId = (await client.createKey(request)).keyMetadata.keyId;
      ids.set(`${kind} ${state}`, keyId);
      if (state === 'Disabled' && kind !== 'external') await client.disableKey({ keyId });
      if (state === 'PendingDeletion') await client.scheduleKeyDeletion({ keyId });
    }
  }
  const { grantId } = await client.createGrant({
    keyId: ids.get('symmetric Enabled')!,
    granteePrincipal: root,
    operations: ['DescribeKey'],
  });
  await client.createAlias({ aliasName: 'alias/taken', targetKeyId: ids.get('symmetric Enabled')! });

  for (const [name, row] of Object.entries(rows)) {
    await t.test(name, async (t) => {
      const faults = faultsOf(name, row);
      const ask = async (...present: Fault[]) => {
        const first = <Key extends keyof Fault>(key: Key) =>
          present.find((fault) => fault[key] !== undefined)?.[key];
        const usual = name === 'CancelKeyDeletion' ? 'PendingDeletion' : 'Enabled';
        const id = ids.get(`${first('kind') ?? row.kind ?? 'symmetric'} ${first('state') ?? usual}`)!;
        const named = nameOf(first('key')) ?? id;
        const { field = 'keyId' } = row;
        const request: Request = { ...row.request, ...(field === null ? {} : { [field]: named }) };
        for (const fault of present.toReversed()) Object.assign(request, fault.request);
        if (request.grantId === 'GRANT') request.grantId = grantId;
        return outcome(first('isStranger') ? stranger : client, name, request, id);
      };
      for (const [index, one] of faults.entries()) {
        const { code, message = /^/ } = one;
        for (const other of [undefined, ...faults.slice(index + 1)]) {
          // A request has only one key ID, with one state and one kind.
          const clash = (['key', 'state', 'kind'] as const).some((key) => one[key] && other?.[key]);
          if (clash || (one.key === 'absent' && other?.state)) continue;
          const got = await ask(one, ...(other ? [other] : []));
          t.match(got, { code, message }, other ? `${one.name} before ${other.name}` : `${one.name} alone`);
        }
      }
    });
  }
});

async function outcome(client: Client, name: string, request: Request, keyId: string) {
  const methods = client as unknown as Record<string, (request: object) => Promise<unknown>>;
  try {
    await methods[`${name[0]!.toLowerCase()}${name.slice(1)}`]!(request);
    return { code: 'ok', message: '' };
  } catch (error) {
    const { code, message } = error as { code: string; message: string };
    return { code, message: message.replaceAll(`arn:aws:kms:us-east-1:000000000000:key/${keyId}`, 'KEY') };
  }
}

function nameOf(fault: Fault['key']): string | undefined {
  if (fault === undefined) return undefined;
  return fault === 'alias' ? 'arn:aws:kms:us-east-1:000000000000:alias/taken' : randomUUID();
}
