// AWS KMS's error codes and texts for names, identifiers and sizes, over HTTP. The constraints of its service model are in
// test/transports/aws/constraints.test.ts.
import t, { type Test } from 'tap';
import { send } from '../../support/aws/aws-request.js';
import { TestDaemon } from '../../support/daemon.js';

type Body = Readonly<Record<string, unknown>>;
/** Operation, request, code, text. */
type Row = readonly [string, Body, string, string | undefined];

const prefixMissing =
  'Alias must start with the prefix "alias/". Please see https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html';
const aliasPattern =
  'failed to satisfy constraint: Member must satisfy regular expression pattern: ^[a-zA-Z0-9:/_-]+$';
const noAliases = 'Aliases must refer to keys. Not aliases';
const reserved = 'Tags beginning with aws: are reserved';

void t.test('names, identifiers and sizes', { timeout: 120_000 }, async (t) => {
  const daemon = await TestDaemon.start(t);
  const client = await daemon.connect();
  t.teardown(() => client.close());
  const { keyMetadata } = await client.createKey({});
  const KeyId = keyMetadata.keyId;
  await client.createAlias({ aliasName: 'alias/mine', targetKeyId: KeyId });
  const absent = '1234abcd-12ab-34cd-56ef-1234567890ab';
  const arn = (text: string) => `arn:aws:kms:${text}`;

  const check = async (t: Test, rows: Iterable<Row>) => {
    for (const [operation, body, code, message] of rows) {
      const reply = await send(daemon, { operation, body: JSON.stringify(body), over: 'unix' });
      const { status, __type } = reply;
      const what = `${operation} ${JSON.stringify(body).slice(0, 100)}`;
      // Where AWS sends no text, Keyhold sends none or an empty one.
      t.same([status, __type, reply.message ?? ''], [400, code, message ?? ''], what);
    }
  };

  await t.test('of aliases', async (t) => {
    const names: readonly (readonly [string, string, string | undefined])[] = [
      ['foo', 'ValidationException', prefixMissing],
      ['Alias/foo', 'ValidationException', prefixMissing],
      [arn(`us-east-1:000000000000:alias/mine`), 'ValidationException', prefixMissing],
      [
        'alias/Service:Test',
        'ValidationException',
        'alias/Service:Test contains invalid characters for an alias',
      ],
      ['alias/aws/s3', 'NotAuthorizedException', undefined],
      ['alias/aws/anything', 'NotAuthorizedException', undefined],
      ['alias/', 'InvalidAliasNameException', 'A name must follow the prefix "alias/".'],
      [
        'alias/my-alias!',
        'ValidationException',
        `1 validation error detected: Value 'alias/my-alias!' at 'aliasName' ${aliasPattern}`,
      ],
    ];
    const rows = names.flatMap(([AliasName, code, text]): Row[] => [
      ['CreateAlias', { AliasName, TargetKeyId: KeyId }, code, text],
      ['UpdateAlias', { AliasName, TargetKeyId: KeyId }, code, text],
      ['DeleteAlias', { AliasName }, code, text],
    ]);
    await check(t, rows);
    const AliasName = 'alias/mine';
    for (const TargetKeyId of [AliasName, 'alias/none', arn('us-east-1:000000000000:alias/mine')]) {
      await check(t, [
        ['CreateAlias', { AliasName: 'alias/new', TargetKeyId }, 'ValidationException', noAliases],
        ['UpdateAlias', { AliasName, TargetKeyId }, 'ValidationException', noAliases],
      ]);
    }
    const gone = `Alias ${arn('us-east-1:000000000000:alias/none')} is not found.`;
    await check(t, [
      ['DeleteAlias', { AliasName: 'alias/none' }, 'NotFoundException', gone],
      ['UpdateAlias', { AliasName: 'alias/none', TargetKeyId: KeyId }, 'NotFoundException', gone],
      ['DescribeKey', { KeyId: 'alias/none' }, 'NotFoundException', gone],
      [
        'CreateAlias',
        { AliasName, TargetKeyId: KeyId },
        'AlreadyExistsException',
        `An alias with the name ${arn('us-east-1:000000000000:alias/mine')} already exists`,
      ],
    ]);
  });

  await t.test('of tags', async (t) => {
    const long = 'x'.repeat(300);
    const tooLong = (at: string, bound: number) =>
      `1 validation error detected: Value '${long}' at 'tags.1.member.${at}' failed to satisfy constraint: ` +
      `Member must have length less than or equal to ${bound}`;
    const many = Array.from({ length: 51 }, (_, index) => ({ TagKey: `k${index}`, TagValue: '' }));
    const tag = (TagKey: string, TagValue = '') => ({ TagKey, TagValue });
    const sets: readonly (readonly [unknown[], string, string])[] = [
      [[tag('aws:x')], 'TagException', reserved],
      [[tag('AWS:x')], 'TagException', reserved],
      [[tag('a', '1'), tag('a', '2')], 'TagException', 'Duplicate tag keys'],
      [many, 'TagException', 'Too many tags'],
      [[tag(long)], 'ValidationException', tooLong('tagKey', 128)],
      [[tag('k', long)], 'ValidationException', tooLong('tagValue', 256)],
    ];
    await check(
      t,
      sets.flatMap(([Tags, code, text]): Row[] => [
        ['CreateKey', { Tags }, code, text],
        ['TagResource', { KeyId, Tags }, code, text],
      ]),
    );
    await check(t, [['UntagResource', { KeyId, TagKeys: ['aws:x'] }, 'TagException', reserved]]);
  });

  await t.test('of keys, in every operation that takes one', async (t) => {
    const forms: readonly (readonly [string, string, string])[] = [
      ['fake-key-id', 'NotFoundException', "Invalid keyId 'fake-key-id'"],
      ['mrk-fake-key-id', 'NotFoundException', "Invalid keyId 'mrk-fake-key-id'"],
      [
        '134f2428cec14b25a1ae9048164dba47',
        'NotFoundException',
        "Invalid keyId '134f2428cec14b25a1ae9048164dba47'",
      ],
      [absent, 'NotFoundException', `Key '${arn(`us-east-1:000000000000:key/${absent}`)}' does not exist`],
      [arn(`us-west-2:000000000000:key/${KeyId}`), 'NotFoundException', 'Invalid arn us-west-2'],
      [arn('us-west-2:000000000000:alias/mine'), 'NotFoundException', 'Invalid arn us-west-2'],
      [`arn:aws-cn:kms:us-east-1:000000000000:key/${KeyId}`, 'NotFoundException', 'Invalid arn aws-cn'],
      [
        arn(`us-east-1:111111111111:key/${KeyId}`),
        'NotFoundException',
        `Key '${arn(`us-east-1:111111111111:key/${KeyId}`)}' does not exist. The account of this Keyhold is 000000000000.`,
      ],
      [
        arn('us-east-1:111111111111:alias/mine'),
        'NotFoundException',
        `Alias ${arn('us-east-1:111111111111:alias/mine')} is not found. The account of this Keyhold is 000000000000.`,
      ],
    ];
    const blob = await client.encrypt({ keyId: KeyId, plaintext: Buffer.from('x') });
    const CiphertextBlob = Buffer.from(blob.ciphertextBlob).toString('base64');
    const operations: readonly (readonly [string, string, Body])[] = [
      ['DescribeKey', 'KeyId', {}],
      ['Encrypt', 'KeyId', { Plaintext: 'aGk=' }],
      ['Decrypt', 'KeyId', { CiphertextBlob }],
      ['ReEncrypt', 'SourceKeyId', { CiphertextBlob, DestinationKeyId: KeyId }],
      ['ReEncrypt', 'DestinationKeyId', { CiphertextBlob }],
      ['GenerateDataKey', 'KeyId', { KeySpec: 'AES_256' }],
      ['GetPublicKey', 'KeyId', {}],
      ['EnableKey', 'KeyId', {}],
      ['GetKeyPolicy', 'KeyId', {}],
      ['ListGrants', 'KeyId', {}],
      ['ListAliases', 'KeyId', {}],
      ['ListResourceTags', 'KeyId', {}],
      ['ScheduleKeyDeletion', 'KeyId', {}],
      [
        'GetParametersForImport',
        'KeyId',
        { WrappingAlgorithm: 'RSAES_OAEP_SHA_256', WrappingKeySpec: 'RSA_2048' },
      ],
      ['CreateAlias', 'TargetKeyId', { AliasName: 'alias/new' }],
    ];
    await check(
      t,
      operations.flatMap(([operation, member, rest]) =>
        forms.map(([form, code, text]): Row => [operation, { ...rest, [member]: form }, code, text]),
      ),
    );
    const arnOfAlias = arn('us-east-1:000000000000:alias/mine');
    await check(t, [
      [
        'EnableKeyRotation',
        { KeyId: arnOfAlias },
        'InvalidArnException',
        'Key Aliases are not supported for this operation.',
      ],
      [
        'EnableKeyRotation',
        { KeyId: 'alias/mine' },
        'NotFoundException',
        "Invalid keyId 'alias/mine'. This operation takes a key ID or key ARN, not an alias.",
      ],
    ]);
  });

  await t.test('of policies and sizes', async (t) => {
    await check(t, [
      ['GetKeyPolicy', { KeyId, PolicyName: 'other' }, 'NotFoundException', 'No such policy exists'],
      [
        'Encrypt',
        { KeyId, Plaintext: Buffer.alloc(4097).toString('base64') },
        'ValidationException',
        "1 validation error detected: Value at 'plaintext' failed to satisfy constraint: Member must have length less than or equal to 4096",
      ],
      [
        'GenerateRandom',
        { NumberOfBytes: 1025 },
        'ValidationException',
        "1 validation error detected: Value '1025' at 'numberOfBytes' failed to satisfy constraint: Member must have value less than or equal to 1024",
      ],
      [
        'CreateGrant',
        { KeyId, Operations: ['Encrypt'], GranteePrincipal: 'x', Name: 'a b' },
        'ValidationException',
        "1 validation error detected: Value 'a b' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: ^[a-zA-Z0-9:/_-]+$",
      ],
    ]);
  });

  await t.test('none of these requests changed anything', async (t) => {
    const { aliases } = await client.listAliases({ keyId: KeyId });
    t.match(aliases, [{ aliasName: 'alias/mine' }]);
    t.equal(aliases.length, 1);
    t.same((await client.listResourceTags({ keyId: KeyId })).tags, []);
    t.match((await client.describeKey({ keyId: KeyId })).keyMetadata, { keyState: 'Enabled' });
  });
});

void t.test(
  'predefined aliases are listed in order, in pages of any size',
  { timeout: 120_000 },
  async (t) => {
    const daemon = await TestDaemon.start(t);
    const client = await daemon.connect();
    t.teardown(() => client.close());
    const { keyId } = (await client.createKey({})).keyMetadata;
    for (const name of ['a', 'aws', 'aws-', 'b', 'zz'])
      await client.createAlias({ aliasName: `alias/${name}`, targetKeyId: keyId });
    await client.describeKey({ keyId: 'alias/aws/ebs' });
    const all = (await client.listAliases({ limit: 100 })).aliases.map(({ aliasName }) => aliasName);
    t.same(all, [...all].sort(), 'in order');
    t.equal(new Set(all).size, all.length, 'each alias is listed once');
    for (const name of ['alias/a', 'alias/aws', 'alias/zz', 'alias/aws/ebs', 'alias/aws/rds'])
      t.ok(all.includes(name), name);
    for (const limit of [2, 20]) {
      const paged: string[] = [];
      for (let marker: string | undefined, more = true; more;) {
        const page = await client.listAliases({ limit, marker });
        paged.push(...page.aliases.map(({ aliasName }) => aliasName));
        t.equal(page.truncated, page.nextMarker !== undefined);
        marker = page.nextMarker;
        more = page.truncated!;
      }
      t.same(paged, all, `pages of ${limit}`);
    }
    t.same(
      (await client.listAliases({ keyId })).aliases.map(({ aliasName }) => aliasName),
      ['alias/a', 'alias/aws', 'alias/aws-', 'alias/b', 'alias/zz'],
      'with a key only its aliases are listed',
    );
  },
);
