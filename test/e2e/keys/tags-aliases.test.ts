// Tags and aliases of keys.
import t from 'tap';
import type { Client } from '../../../client/index.js';
import { TestDaemon } from '../../support/daemon.js';

void t.test('tags and aliases', async (t) => {
  const daemon = await TestDaemon.initialise();
  t.teardown(() => daemon.remove());
  daemon.configure('limits:\n  aliasesPerKey: 3');
  await daemon.start();
  const client = await daemon.connect();
  t.teardown(() => client.close());
  const newKey = async (request: Parameters<Client['createKey']>[0] = {}) =>
    (await client.createKey(request)).keyMetadata.keyId;
  const tagsOf = async (keyId: string) => (await client.listResourceTags({ keyId })).tags;
  const tag = (tagKey: string, tagValue = '') => ({ tagKey, tagValue });

  await t.test('tags are added, changed and removed', async (t) => {
    const keyId = await newKey({ tags: [tag('env', 'test')] });
    t.same(await client.tagResource({ keyId, tags: [tag('team', 'blue'), tag('env', 'live')] }), {});
    t.same(await tagsOf(keyId), [tag('env', 'live'), tag('team', 'blue')]);
    t.same(await client.tagResource({ keyId, tags: [tag('Team'), tag('__proto__', 'x')] }), {});
    t.same(await tagsOf(keyId), [
      tag('Team'),
      tag('__proto__', 'x'),
      tag('env', 'live'),
      tag('team', 'blue'),
    ]);
    t.same(await client.untagResource({ keyId, tagKeys: ['team', 'none', '__proto__'] }), {});
    t.same(await tagsOf(keyId), [tag('Team'), tag('env', 'live')]);
    await client.scheduleKeyDeletion({ keyId });
    t.equal((await tagsOf(keyId)).length, 2, 'tags are shown in every state');
    t.match(daemon.events('TagResource').at(-1), { requestParameters: { keyId, tags: [tag('Team'), {}] } });
  });

  await t.test('reserved, repeated and too many tags are refused, and change nothing', async (t) => {
    const keyId = await newKey();
    const add = (...tags: ReturnType<typeof tag>[]) => client.tagResource({ keyId, tags });
    await t.rejects(add(tag('aws:x')), { code: 'TagException' });
    await t.rejects(add(tag('AWS:x')), { code: 'TagException' });
    await t.rejects(add(tag('a', '1'), tag('a', '2')), { code: 'TagException' });
    await t.rejects(newKey({ tags: [tag('aws:x')] }), { code: 'TagException' });
    await t.rejects(client.untagResource({ keyId, tagKeys: ['aws:x'] }), { code: 'TagException' });
    await t.rejects(add(tag('')), { code: 'ValidationException' });
    await t.rejects(add(tag('k'.repeat(129))), { code: 'ValidationException' });
    await t.rejects(add(tag('k', 'v'.repeat(257))), { code: 'ValidationException' });
    t.same(await tagsOf(keyId), []);
    await add(...Array.from({ length: 50 }, (_, index) => tag(`k${index}`)));
    await t.rejects(add(tag('one more')), { code: 'TagException', message: 'Too many tags' });
    await add(tag('k49', 'changed'));
    t.equal((await tagsOf(keyId)).length, 50);
    const many = Array.from({ length: 51 }, (_, index) => tag(`k${index}`));
    await t.rejects(newKey({ tags: many }), { code: 'TagException', message: 'Too many tags' });
  });

  await t.test('a list of tags is consistent while tags change between its pages', async (t) => {
    const keyId = await newKey({ tags: ['b', 'd', 'f', 'h'].map((name) => tag(name)) });
    const first = await client.listResourceTags({ keyId, limit: 2 });
    t.same(first.tags, [tag('b'), tag('d')]);
    t.equal(first.truncated, true);
    await client.untagResource({ keyId, tagKeys: ['d', 'f'] });
    await client.tagResource({ keyId, tags: [tag('a'), tag('e')] });
    const second = await client.listResourceTags({ keyId, limit: 2, marker: first.nextMarker });
    t.same(second.tags, [tag('e'), tag('h')]);
    t.equal(second.truncated, false);
    await t.rejects(client.listResourceTags({ keyId, marker: '!!' }), { code: 'InvalidMarkerException' });
    await t.rejects(client.listResourceTags({ keyId, limit: 51 }), { code: 'ValidationException' });
  });

  await t.test('an alias is moved to another key of the same kind, and deleted', async (t) => {
    const [one, two] = [await newKey(), await newKey()];
    const targetOf = async (keyId: string) => (await client.describeKey({ keyId })).keyMetadata.keyId;
    await client.createAlias({ aliasName: 'alias/moving', targetKeyId: one });
    const before = (await client.listAliases({ keyId: one })).aliases[0]!;
    t.same(await client.updateAlias({ aliasName: 'alias/moving', targetKeyId: two }), {});
    t.equal(await targetOf('alias/moving'), two);
    t.same((await client.listAliases({ keyId: one })).aliases, []);
    const after = (await client.listAliases({ keyId: two })).aliases[0]!;
    t.equal(after.creationDate, before.creationDate);
    t.ok(after.lastUpdatedDate! > before.lastUpdatedDate!);
    const others = [
      { keySpec: 'HMAC_256', keyUsage: 'GENERATE_VERIFY_MAC' },
      { keySpec: 'RSA_2048', keyUsage: 'ENCRYPT_DECRYPT' },
    ] as const;
    for (const other of others) {
      const attempt = client.updateAlias({ aliasName: 'alias/moving', targetKeyId: await newKey(other) });
      await t.rejects(attempt, { code: 'ValidationException' }, other.keySpec);
    }
    t.equal(await targetOf('alias/moving'), two);
    t.match(daemon.events('UpdateAlias')[0], {
      resources: [{ ARN: new RegExp(one) }, { ARN: new RegExp(two) }],
    });
    t.same(await client.deleteAlias({ aliasName: 'alias/moving' }), {});
    await t.rejects(targetOf('alias/moving'), { code: 'NotFoundException' });
    await t.rejects(client.deleteAlias({ aliasName: 'alias/moving' }), { code: 'NotFoundException' });
    const gone = client.updateAlias({ aliasName: 'alias/moving', targetKeyId: one });
    await t.rejects(gone, { code: 'NotFoundException' });
    t.equal(await targetOf(two), two, 'deleting an alias does not delete the key');
  });

  await t.test('aliases of services are reserved, and invalid names are refused', async (t) => {
    const targetKeyId = await newKey();
    const codes = {
      'alias/aws/s3': 'NotAuthorizedException',
      app: 'ValidationException',
      'alias/': 'InvalidAliasNameException',
    };
    for (const [aliasName, code] of Object.entries(codes)) {
      const refused = { code };
      await t.rejects(client.createAlias({ aliasName, targetKeyId }), refused);
      await t.rejects(client.updateAlias({ aliasName, targetKeyId }), refused);
      await t.rejects(client.deleteAlias({ aliasName }), refused);
    }
  });

  await t.test(
    'an alias can be moved away from a key that is pending deletion, but not to one',
    async (t) => {
      const [dying, living] = [await newKey(), await newKey()];
      await client.createAlias({ aliasName: 'alias/dying', targetKeyId: dying });
      await client.createAlias({ aliasName: 'alias/living', targetKeyId: living });
      await client.scheduleKeyDeletion({ keyId: dying });
      const invalid = { code: 'KMSInvalidStateException' };
      await t.rejects(client.createAlias({ aliasName: 'alias/new', targetKeyId: dying }), invalid);
      await t.rejects(client.updateAlias({ aliasName: 'alias/living', targetKeyId: dying }), invalid);
      t.same(await client.updateAlias({ aliasName: 'alias/dying', targetKeyId: living }), {});
      t.same(
        (await client.listAliases({ keyId: living })).aliases.map(({ aliasName }) => aliasName),
        ['alias/dying', 'alias/living'],
      );
    },
  );

  await t.test('a key has no more aliases than the limit, however they are added', async (t) => {
    const [full, other] = [await newKey(), await newKey()];
    for (const name of ['a', 'b', 'c']) {
      await client.createAlias({ aliasName: `alias/full-${name}`, targetKeyId: full });
    }
    await client.createAlias({ aliasName: 'alias/other', targetKeyId: other });
    const exceeded = { code: 'LimitExceededException' };
    await t.rejects(client.createAlias({ aliasName: 'alias/full-d', targetKeyId: full }), exceeded);
    await t.rejects(client.updateAlias({ aliasName: 'alias/other', targetKeyId: full }), exceeded);
    t.same(
      await client.updateAlias({ aliasName: 'alias/full-a', targetKeyId: full }),
      {},
      'updating an alias to its own key succeeds',
    );
    await client.deleteAlias({ aliasName: 'alias/full-b' });
    t.same(await client.updateAlias({ aliasName: 'alias/other', targetKeyId: full }), {});
  });

  await t.test('the aliases of a key are listed in consistent pages, also after a restart', async (t) => {
    const keyId = await newKey();
    for (const name of ['p', 'q', 'r']) {
      await client.createAlias({ aliasName: `alias/page-${name}`, targetKeyId: keyId });
    }
    const first = await client.listAliases({ keyId, limit: 1 });
    await client.deleteAlias({ aliasName: 'alias/page-p' });
    const second = await client.listAliases({ keyId, limit: 1, marker: first.nextMarker });
    t.match(second, { aliases: [{ aliasName: 'alias/page-q' }], truncated: true });
    await daemon.stop();
    await daemon.start();
    const again = await daemon.connect();
    const third = await again.listAliases({ keyId, limit: 1, marker: second.nextMarker });
    t.match(third, { aliases: [{ aliasName: 'alias/page-r' }], truncated: false });
    await again.close();
  });
});
