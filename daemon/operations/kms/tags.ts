// TagResource, UntagResource, ListResourceTags.
import { exceptions } from '../../../proto/errors.js';
import type { Tag } from '../../../proto/generated/messages.js';
import { putKey } from '../../keys/index.js';
import { requestTags } from '../../pipeline/condition-keys.js';
import { type AnyOperation, operation, type Services } from '../../pipeline/operation.js';
import { page } from '../shared/paging.js';
import { keyIdOrArn } from '../shared/key-resolvers.js';

const tagResource = operation({
  name: 'TagResource',
  service: 'kms',
  readOnly: false,
  permissions: [{ action: 'kms:TagResource', key: keyIdOrArn('keyId'), conditionKeys: requestTags }],
  states: 'modify',
  audited: ['keyId', 'tags'],
  handle({ request: { tags }, key, services: { keyring, limits } }) {
    checkTags(tags, limits);
    const { keyId } = key.record;
    return {
      response: {},
      changes: () => {
        const { record } = keyring.existing(keyId);
        const given = new Set(tags.map(({ tagKey }) => tagKey));
        const kept = record.tags.filter(({ tagKey }) => !given.has(tagKey));
        const all = [...kept, ...tags];
        checkTags(all, limits);
        return [putKey({ ...record, tags: all })];
      },
    };
  },
});

const untagResource = operation({
  name: 'UntagResource',
  service: 'kms',
  readOnly: false,
  permissions: [
    {
      action: 'kms:UntagResource',
      key: keyIdOrArn('keyId'),
      conditionKeys: { 'aws:TagKeys': ({ request }) => request.tagKeys },
    },
  ],
  states: 'modify',
  audited: ['keyId', 'tagKeys'],
  handle({ request: { tagKeys }, key, services: { keyring } }) {
    checkTagKeys(tagKeys);
    const { keyId } = key.record;
    return {
      response: {},
      changes: () => {
        const { record } = keyring.existing(keyId);
        return [putKey({ ...record, tags: record.tags.filter(({ tagKey }) => !tagKeys.includes(tagKey)) })];
      },
    };
  },
});

const listResourceTags = operation({
  name: 'ListResourceTags',
  service: 'kms',
  readOnly: true,
  permissions: [{ action: 'kms:ListResourceTags', key: keyIdOrArn('keyId') }],
  states: 'read',
  audited: ['keyId', 'limit', 'marker'],
  handle({ request, key }) {
    const tags = [...key.record.tags].sort((a, b) => (a.tagKey < b.tagKey ? -1 : 1));
    const { items, truncated, nextMarker } = page(
      request,
      50,
      (after) => tags.filter(({ tagKey }) => tagKey > after),
      ({ tagKey }) => tagKey,
    );
    return { response: { tags: items, truncated, nextMarker } };
  },
});

export const tagOperations: readonly AnyOperation[] = [tagResource, untagResource, listResourceTags];

/**
 * Checks the tags of a request, with AWS's error codes and messages.
 * @throws TagException for reserved or repeated tag keys, and for more tags than a key may have
 */
export function checkTags(tags: readonly Tag[], { tagsPerKey }: Services['limits']): void {
  const tagKeys = tags.map(({ tagKey }) => tagKey);
  if (new Set(tagKeys).size < tagKeys.length) throw new exceptions.TagException('Duplicate tag keys');
  if (tags.length > tagsPerKey) throw new exceptions.TagException('Too many tags');
  checkTagKeys(tagKeys);
}

function checkTagKeys(tagKeys: readonly string[]): void {
  if (tagKeys.some((tagKey) => /^aws:/i.test(tagKey)))
    throw new exceptions.TagException('Tags beginning with aws: are reserved');
}
