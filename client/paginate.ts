import type { PaginatorMethods } from '../proto/generated/methods.js';
import { operationShapes } from '../proto/schema/descriptor.js';
import type { CallOptions } from './options.js';

type Message = Record<string, unknown>;
type Method = (request: Message, options?: CallOptions) => Promise<Message>;

/**
 * The paginators of a client: a method for each operation that returns a list in pages.
 * @param methods its methods by name
 */
export function paginators(methods: Readonly<Record<string, Method>>): PaginatorMethods<CallOptions> {
  const entries = operationShapes
    .filter(({ request }) => request.byName.has('marker'))
    .map(({ name, field, response }) => {
      const list = response.fields.find(({ repeated }) => repeated)!.name;
      return [`paginate${name}`, paginator(methods[field]!, list)] as const;
    });
  return Object.fromEntries(entries) as unknown as PaginatorMethods<CallOptions>;
}

function paginator(method: Method, list: string) {
  return async function* (request: Message = {}, options?: CallOptions): AsyncGenerator<unknown, void> {
    let { marker } = request;
    do {
      const page = await method({ ...request, marker }, options);
      yield* page[list] as unknown[];
      marker = page.nextMarker;
    } while (marker !== undefined);
  };
}
