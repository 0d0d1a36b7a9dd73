// CreateBackup and ReadBackup: a backup of the running daemon, which the command line fetches part by part.
import { type AnyOperation, operation } from '../../pipeline/operation.js';

const createBackup = operation({
  name: 'CreateBackup',
  service: 'keyhold',
  readOnly: false,
  permissions: [{ action: 'keyhold:CreateBackup' }],
  audited: ['includeToken'],
  auditedResponse: (response) => response,
  async handle({ request: { includeToken = false }, services: { backups } }) {
    return { response: await backups.create(includeToken) };
  },
});

const readBackup = operation({
  name: 'ReadBackup',
  service: 'keyhold',
  readOnly: true,
  permissions: [{ action: 'keyhold:ReadBackup' }],
  audited: ['backupId', 'part'],
  async handle({ request: { backupId, part }, services: { backups } }) {
    return { response: { data: await backups.read(backupId, part) } };
  },
});

export const backupOperations: readonly AnyOperation[] = [createBackup, readBackup];
