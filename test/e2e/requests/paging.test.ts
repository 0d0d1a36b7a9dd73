// Every list of the daemon, page by page, while keys, aliases and tags are created and deleted.
import t from 'tap';
import type { Client } from '../../../client/index.js';
import { operationShapes } from '../../../proto/schema/descriptor.js';
import { TestDaemon } from '../../support/daemon.js';

type Message = Record<string, unknown>;

void t.test('lists', async (t) => {
  const daemon = await TestDaemon.start(t);
  const client = await daemon.connect();
  t.teardown(() => client.close());
  const call = (name: string, request: Message) =>
    (client as unknown as Record<string, (request: Message) => Promise<Message>>)[name]!(request);
  const newKey = async (request: Parameters<Client['createKey']>[0] = {}) =>
    (await client.createKey(request)).keyMetadata.keyId;

  /** Reads a list in pages of two. @param between runs after each page */
  const readAll = async (name: string, filter: Message, items: string, between: () => Promise<unknown>) => {
    const seen: Message[] = [];
    let marker: unknown;
    do {
      const shown = await call(name, { ...filter, limit: 2, ...(marker !== undefined && { marker }) });
      seen.push(...(shown[items] as Message[]));
      t.equal(shown.truncated, shown.nextMarker !== undefined);
      marker = shown.nextMarker;
      await between();
    } while (marker !== undefined);
    return seen;
  };

  await t.test('show everything that exists throughout exactly once', async (t) => {
    const keyIds = [];
    for (let index = 0; index < 7; index++) keyIds.push(await newKey());
    const keys = await readAll('listKeys', {}, 'keys', () => newKey());
    for (const keyId of keyIds) t.equal(keys.filter((each) => each.keyId === keyId).length, 1);

    const [targetKeyId, other] = keyIds as [string, string];
    const stays = ['alias/b', 'alias/d', 'alias/f', 'alias/h', 'alias/j'];
    const goes = ['alias/a', 'alias/c', 'alias/e', 'alias/g', 'alias/i'];
    for (const aliasName of [...stays, ...goes]) await client.createAlias({ aliasName, targetKeyId });
    let made = 0;
    const disturb = async () => {
      const aliasName = goes.shift();
      if (aliasName) await client.deleteAlias({ aliasName });
      // Fewer than the limit of a key.
      if (made < 20) await client.createAlias({ aliasName: `alias/d${made++}`, targetKeyId });
    };
    for (const filter of [{ keyId: targetKeyId }, {}]) {
      const aliases = await readAll('listAliases', filter, 'aliases', disturb);
      for (const aliasName of stays)
        t.equal(aliases.filter((each) => each.aliasName === aliasName).length, 1, aliasName);
    }

    const tags = ['a', 'b', 'c', 'd', 'e'].map((tagKey) => ({ tagKey, tagValue: '' }));
    await client.tagResource({ keyId: other, tags });
    const tagged = await readAll('listResourceTags', { keyId: other }, 'tags', async () => {
      await client.tagResource({ keyId: other, tags: [{ tagKey: 'cc', tagValue: '' }] });
      await client.untagResource({ keyId: other, tagKeys: ['b'] });
    });
    for (const tagKey of ['a', 'c', 'd', 'e'])
      t.equal(tagged.filter((each) => each.tagKey === tagKey).length, 1, tagKey);

    for (let index = 0; index < 4; index++) await client.rotateKeyOnDemand({ keyId: other });
    let rotated = 0;
    const rotations = await readAll('listKeyRotations', { keyId: other }, 'rotations', async () => {
      if (rotated++ < 2) await client.rotateKeyOnDemand({ keyId: other });
    });
    t.equal(new Set(rotations.map((each) => each.keyMaterialId)).size, 6);
    t.equal(rotations.length, 6);
  });

  await t.test('refuse a marker of another list, and limits past their bounds', async (t) => {
    const [one, two] = [await newKey(), await newKey()];
    const { nextMarker: ofKeys } = await client.listKeys({ limit: 1 });
    for (const aliasName of ['alias/x1', 'alias/x2'])
      await client.createAlias({ aliasName, targetKeyId: one });
    const { nextMarker: ofOne } = await client.listAliases({ keyId: one, limit: 1 });
    const refused = { code: 'InvalidMarkerException' };
    await t.rejects(client.listAliases({ marker: ofKeys }), refused);
    await t.rejects(client.listAliases({ keyId: two, marker: ofOne }), refused);
    await t.rejects(client.listKeys({ marker: ofOne }), refused);
    t.match((await client.listAliases({ keyId: one, marker: ofOne })).aliases, [{ aliasName: 'alias/x2' }]);
    for (const { name, field, service, request } of operationShapes) {
      const limit = request.byName.get('limit');
      if (service !== 'kms' || !request.byName.has('marker') || !limit) continue;
      const required = request.byName.has('keyId') ? { keyId: one } : {};
      const past = call(field, { ...required, limit: limit.max! + 1 });
      await t.rejects(past, { code: 'ValidationException' }, `${name} shows ${limit.max} at most`);
      await t.rejects(call(field, { ...required, limit: 0 }), { code: 'ValidationException' });
      await t.rejects(call(field, { ...required, marker: 'AAAA' }), refused, `${name} takes its own markers`);
    }
  });
});
