// keyhold seed FILE.
import { createHmac, createPublicKey, generateKeyPairSync, randomBytes, verify } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import t from 'tap';
import { TestDaemon } from '../../support/daemon.js';
import { doesNotExpire, parametersFor } from '../../support/imports.js';
import { labels } from '../../support/token.js';

const ids = {
  plain: '11111111-2222-3333-4444-555555555501',
  disabled: '11111111-2222-3333-4444-555555555502',
  hmac: '11111111-2222-3333-4444-555555555503',
  rsa: '11111111-2222-3333-4444-555555555504',
  multi: `mrk-${'a'.repeat(32)}`,
};
const hmacKey = randomBytes(32);

void t.test('seeding', async (t) => {
  const daemon = await TestDaemon.initialise();
  t.teardown(() => daemon.remove());
  const path = join(daemon.home, 'seed.yaml');
  const seed = async (text: string) => {
    writeFileSync(path, text);
    return daemon.cli(['seed', path]);
  };
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  writeFileSync(join(daemon.home, 'rsa.der'), privateKey.export({ type: 'pkcs8', format: 'der' }));
  const file = `
keys:
  - keyId: ${ids.plain}
    description: of the application
    aliases: [alias/app, alias/app/old]
    tags: { team: blue, env: dev }
    rotationPeriodInDays: 200
    policy:
      Version: '2012-10-17'
      Id: key-default-1
      Statement:
        - Sid: Enable IAM User Permissions
          Effect: Allow
          Principal: { AWS: 'arn:aws:iam::000000000000:root' }
          Action: kms:*
          Resource: '*'
  - { keyId: ${ids.disabled}, keySpec: ECC_NIST_P256, keyUsage: SIGN_VERIFY, enabled: false }
  - keyId: ${ids.hmac}
    keySpec: HMAC_256
    keyUsage: GENERATE_VERIFY_MAC
    material: { hex: '${hmacKey.toString('hex')}' }
  - { keyId: ${ids.rsa}, keySpec: RSA_2048, keyUsage: SIGN_VERIFY, material: { file: rsa.der } }
  - { keyId: ${ids.multi} }
`;

  await t.test('is refused unless the configuration allows it', async (t) => {
    await daemon.start();
    const { code, stderr } = await seed(file);
    t.equal(code, 1);
    t.match(stderr, /UnsupportedOperationException.*allowSeed: true/);
    const client = await daemon.connect();
    t.same((await client.listKeys({})).keys, []);
    await client.close();
    await daemon.stop();
    daemon.configure('allowSeed: true');
    await daemon.start();
  });

  const client = await daemon.connect();
  t.teardown(() => client.close());
  const describe = async (keyId: string) => (await client.describeKey({ keyId })).keyMetadata;

  await t.test('creates the keys as described in the file', async (t) => {
    const { code, stdout, stderr } = await seed(file);
    t.equal(code, 0, stderr);
    t.match(stdout, /5 created, 0 unchanged\n$/);
    t.match(await describe('alias/app'), {
      keyId: ids.plain,
      description: 'of the application',
      keySpec: 'SYMMETRIC_DEFAULT',
      keyState: 'Enabled',
      origin: 'AWS_KMS',
      keyManager: 'CUSTOMER',
    });
    t.equal((await describe('alias/app/old')).keyId, ids.plain);
    t.same((await client.listResourceTags({ keyId: ids.plain })).tags, [
      { tagKey: 'env', tagValue: 'dev' },
      { tagKey: 'team', tagValue: 'blue' },
    ]);
    t.match(await client.getKeyRotationStatus({ keyId: ids.plain }), { rotationPeriodInDays: 200 });
    t.match(await describe(ids.disabled), { keyState: 'Disabled', keySpec: 'ECC_NIST_P256' });
    t.match(await describe(ids.multi), { multiRegion: true });
    const { ciphertextBlob } = await client.encrypt({ keyId: ids.plain, plaintext: Buffer.from('x') });
    t.equal(Buffer.from((await client.decrypt({ ciphertextBlob })).plaintext).toString(), 'x');
  });

  await t.test('imports the given material', async (t) => {
    t.match(await describe(ids.hmac), {
      origin: 'EXTERNAL',
      keyState: 'Enabled',
      keyholdWarnings: [/was in the memory/],
    });
    const message = Buffer.from('message');
    const { mac } = await client.generateMac({ keyId: ids.hmac, message, macAlgorithm: 'HMAC_SHA_256' });
    t.same(Buffer.from(mac), createHmac('sha256', hmacKey).update(message).digest());
    const { signature } = await client.sign({
      keyId: ids.rsa,
      message,
      signingAlgorithm: 'RSASSA_PKCS1_V1_5_SHA_256',
    });
    t.ok(verify('sha256', message, createPublicKey(privateKey), signature));
  });

  await t.test('a second run changes nothing, and says so', async (t) => {
    const before = labels(daemon);
    const { code, stdout } = await seed(file);
    t.equal(code, 0);
    t.match(stdout, /^unchanged .*\n(.*\n)*0 created, 5 unchanged\n$/);
    t.same(labels(daemon), before);
  });

  await t.test('what the file does not mention is not compared', async (t) => {
    await client.updateKeyDescription({ keyId: ids.multi, description: 'my own' });
    t.match((await seed(file)).stdout, /0 created, 5 unchanged/);
  });

  await t.test('all differences are reported, and nothing is created', async (t) => {
    const other = '99999999-2222-3333-4444-555555555501';
    const changed = `${file}  - { keyId: ${other} }\n`
      .replace('of the application', 'of another')
      .replace('team: blue', 'team: red')
      .replace('alias/app/old', 'alias/app/new')
      .replace('rotationPeriodInDays: 200', 'rotationPeriodInDays: 300')
      .replace('enabled: false', 'enabled: true')
      .replace(hmacKey.toString('hex'), randomBytes(32).toString('hex'));
    const { code, stderr } = await seed(changed);
    t.equal(code, 1);
    t.match(stderr, /AlreadyExistsException/);
    t.match(stderr, /its description is "of the application", not "of another"/);
    t.match(stderr, /its tags is .*team=blue.*team=red/);
    t.match(stderr, /its aliases is .*alias\/app\/old.*alias\/app\/new/);
    t.match(stderr, /its rotation period is 200, not 300/);
    t.match(stderr, /its being enabled is false, not true/);
    t.match(stderr, /its key material is another one/);
    await t.rejects(describe(other), { code: 'NotFoundException' });
    const spec = await seed(file.replace('ECC_NIST_P256', 'ECC_NIST_P384'));
    t.match(spec.stderr, /its key spec is "ECC_NIST_P256", not "ECC_NIST_P384"/);
    const alias = await seed(`keys:\n  - { keyId: ${other}, aliases: [alias/app] }\n`);
    t.match(alias.stderr, /AlreadyExistsException.*alias\/app already exists/);
    t.match((await seed(file)).stdout, /0 created, 5 unchanged/);
  });

  await t.test('material that is pending rotation differs, and its copy is destroyed', async (t) => {
    const keyId = '88888888-2222-3333-4444-555555555501';
    const [current, pending] = [randomBytes(32), randomBytes(32)];
    const fileWith = (material: Buffer) =>
      `keys:\n  - { keyId: ${keyId}, material: { hex: '${material.toString('hex')}' } }\n`;
    t.equal((await seed(fileWith(current))).code, 0);
    const parameters = await parametersFor(client, keyId);
    await parameters.import(pending, { ...doesNotExpire, importType: 'NEW_KEY_MATERIAL' });
    const before = labels(daemon);
    const { code, stderr } = await seed(fileWith(pending));
    t.equal(code, 1);
    t.match(stderr, /AlreadyExistsException.*its key material is another one/);
    t.same(labels(daemon), before);
    t.match((await seed(fileWith(current))).stdout, /0 created, 1 unchanged/);
  });

  await t.test('a wrong file is refused with line numbers and without its secrets', async (t) => {
    const secret = Buffer.from('do not show this').toString('hex');
    const cases: readonly [string, RegExp][] = [
      [`keys:\n  - keyId: x\n`, /seed.yaml:2: 'keys.0.keyId': a UUID/],
      [`keys:\n  - keyId: ${ids.plain}\n    colour: red\n`, /seed.yaml:3: 'keys.0.colour'/],
      [`keys:\n  - keyId: ${ids.plain}\n    keySpec: DES\n`, /seed.yaml:3: 'keys.0.keySpec'/],
      [
        `keys:\n  - keyId: ${ids.plain}\n    material:\n      base64: '${secret}!'\n`,
        /seed.yaml:4: 'keys.0.material.base64'/,
      ],
      [
        `keys:\n  - keyId: ${ids.plain}\n    material: { hex: '${secret}', base64: AA== }\n`,
        /seed.yaml:3: 'keys.0.material': name exactly one/,
      ],
      [`keys:\n  - material: { hex: "${secret}\n  foo`, /seed.yaml:\d+: this is not YAML/],
      [`keys:\n  - keyId: ${ids.plain}\n  - keyId: ${ids.plain}\n`, /a key id is there twice/],
      [`keys: []\n`, /seed.yaml:1: 'keys'/],
    ];
    for (const [text, message] of cases) {
      const { code, stderr } = await seed(text);
      t.equal(code, 2, text);
      t.match(stderr, message);
      t.notMatch(stderr, secret);
    }
    t.match(await daemon.cli(['seed', 'nowhere.yaml']), { code: 2, stderr: /ENOENT/ });
    const wrong = await seed(
      `keys:\n  - { keyId: 99999999-2222-3333-4444-555555555509, keySpec: HMAC_256, keyUsage: GENERATE_VERIFY_MAC, material: { hex: '${secret}' } }\n`,
    );
    t.equal(wrong.code, 1, 'material of a wrong length is refused');
    t.match(wrong.stderr, /IncorrectKeyMaterialException|ValidationException/);
    t.notMatch(wrong.stderr, secret);
  });

  await t.test('its operations are in the audit log, and key material is nowhere', (t) => {
    t.match(
      daemon.events('SeedKey').find(({ errorCode }) => !errorCode),
      {
        requestParameters: { keyId: ids.plain },
      },
    );
    const log = readFileSync(join(daemon.home, 'audit/audit-00000001.jsonl'), 'utf8') + daemon.stderr;
    for (const encoding of ['hex', 'base64'] as const) t.notMatch(log, hmacKey.toString(encoding));
    t.notMatch(log, /keyMaterial"/);
    t.end();
  });

  await t.test('after kill -9 in the middle the next run creates the rest', async (t) => {
    const keyIds = Array.from(
      { length: 30 },
      (_, index) => `77777777-2222-3333-4444-5555555555${10 + index}`,
    );
    const text = `keys:\n${keyIds
      .map(
        (keyId, index) =>
          `  - { keyId: ${keyId}, aliases: [alias/many/${index}], material: { hex: '${keyId.replaceAll('-', '').repeat(2)}' } }\n`,
      )
      .join('')}`;
    const first = seed(text);
    const made = async () =>
      (await client.listKeys({})).keys.filter(({ keyId }) => keyIds.includes(keyId)).length;
    while ((await made()) < 3) await setTimeout(5);
    await daemon.stop('SIGKILL');
    t.not((await first).code, 0);
    await daemon.start();
    const { code, stdout, stderr } = await seed(text);
    t.equal(code, 0, stderr);
    t.match(stdout, /created, .*unchanged\n$/);
    const objects = labels(daemon).filter((label) => label.startsWith('keyhold/7777'));
    t.same(objects, keyIds.map((keyId) => `keyhold/${keyId}`).sort());
  });
});
