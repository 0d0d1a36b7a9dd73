// Pages and markers, for any list that changes in any way between its pages.
import fc from 'fast-check';
import t from 'tap';
import { type AnyOperation, HandlerContext, RequestKeys } from '../../../daemon/pipeline/operation.js';
import { page, withMarkers } from '../../../daemon/operations/shared/paging.js';

interface Listed {
  readonly items: string[];
  readonly truncated: boolean;
  readonly nextMarker: string | undefined;
}

/** An operation that lists names, which may change between pages. */
function lister(names: Set<string>, name = 'ListAliases') {
  const entry = {
    name,
    handle: ({ request }: { request: object }) => {
      const sorted = [...names].sort();
      const list = (after: string) => sorted.filter((each) => each > after);
      return { response: page(request, 50, list, (each) => each) };
    },
  } as unknown as AnyOperation;
  const operation = withMarkers(entry);
  return async (request: Record<string, unknown>) =>
    (
      await operation.handle(
        new HandlerContext(request, new RequestKeys(), {} as never, {} as never, {} as never),
      )
    ).response as Listed;
}

const names = fc.string({ unit: 'binary', minLength: 1, maxLength: 12 });

void t.test('whatever is added and removed between pages, what stays is listed exactly once', async (t) => {
  const change = fc.record({
    come: fc.array(names, { maxLength: 5 }),
    go: fc.array(fc.nat(), { maxLength: 5 }),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(names, { maxLength: 40 }),
      fc.array(change, { maxLength: 60 }),
      fc.integer({ min: 1, max: 7 }),
      async (start, changes, limit) => {
        const now = new Set(start);
        const stays = new Set(start);
        const list = lister(now);
        const seen: string[] = [];
        let marker: string | undefined;
        for (let round = 0; ; round++) {
          const shown = await list({ limit, ...(marker !== undefined && { marker }) });
          seen.push(...shown.items);
          if (shown.truncated !== (shown.nextMarker !== undefined)) return false;
          if (!shown.truncated) break;
          if (shown.items.length !== limit) return false;
          marker = shown.nextMarker;
          for (const name of changes[round]?.come ?? []) now.add(name);
          for (const index of changes[round]?.go ?? []) {
            const gone = [...now][index % Math.max(now.size, 1)];
            if (gone === undefined) continue;
            now.delete(gone);
            stays.delete(gone);
          }
        }
        return new Set(seen).size === seen.length && [...stays].every((name) => seen.includes(name));
      },
    ),
    { numRuns: 2_000 },
  );
  t.end();
});

void t.test('a marker is valid only for its own list, and only unchanged', async (t) => {
  const all = new Set(['a', 'b', 'c', 'ä', '𝔘']);
  const list = lister(all);
  const { nextMarker: marker } = await list({ limit: 2, keyId: 'one' });
  t.same((await list({ limit: 9, marker, keyId: 'one' })).items, ['c', 'ä', '𝔘'], 'the limit may change');
  const refused = { code: 'InvalidMarkerException' };
  await t.rejects(list({ marker, keyId: 'another' }), refused, 'another filter');
  await t.rejects(list({ marker }), refused, 'no filter');
  await t.rejects(lister(all, 'ListResourceTags')({ marker, keyId: 'one' }), refused, 'another operation');
  for (const changed of [
    '',
    'b',
    `${marker}A`,
    marker!.slice(1),
    marker!.slice(0, -1),
    `${marker}=`,
    `${marker} `,
  ])
    await t.rejects(list({ marker: changed, keyId: 'one' }), refused, changed);
});
