// QueryAudit: returns the newest records of the audit log that match filters, to permitted callers on any machine.
import { exceptions } from '../../../proto/errors.js';
import type { QueryAuditRequest } from '../../../proto/generated/messages.js';
import { type Filter, filterSpecs } from '../../audit/query/filters.js';
import type { LogPosition } from '../../audit/query/newest.js';
import { type AnyOperation, operation } from '../../pipeline/operation.js';

const defaultLimit = 100;

const filterNames = ['key', 'principal', 'event', 'error', 'outcome', 'since', 'until'] as const;

const queryAudit = operation({
  name: 'QueryAudit',
  service: 'keyhold',
  readOnly: true,
  permissions: [{ action: 'keyhold:QueryAudit' }],
  audited: [...filterNames, 'limit'],
  async handle({ request, services }) {
    const { limit = defaultLimit, marker } = request;
    const from = marker === undefined ? undefined : positionOf(marker);
    const { lines, next } = await services.auditReader.newest(filtersOf(request), from, limit);
    return {
      response: {
        records: [...lines],
        truncated: next !== undefined,
        nextMarker: next && `${next.number}:${next.offset}`,
      },
    };
  },
});

/** @throws ValidationException */
function filtersOf(request: QueryAuditRequest): Filter[] {
  return filterNames.flatMap((name) => {
    const argument = request[name];
    if (argument === undefined) return [];
    const filter = filterSpecs[name]!.parse(argument, Date.now());
    if (typeof filter === 'string') throw new exceptions.ValidationException(`${name} must be ${filter}.`);
    return [filter];
  });
}

/** @throws InvalidMarkerException */
function positionOf(name: string): LogPosition {
  const [, number, offset] = /^([0-9]{1,8}):([0-9]{1,15})$/.exec(name) ?? [];
  if (number === undefined) throw new exceptions.InvalidMarkerException('');
  return { number: Number(number), offset: Number(offset) };
}

export const auditOperations: readonly AnyOperation[] = [queryAudit];
