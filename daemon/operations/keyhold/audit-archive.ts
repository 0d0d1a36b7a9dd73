// ArchiveAuditLog: moves old files of the audit log to another folder, compressed.
import { type AnyOperation, operation } from '../../pipeline/operation.js';

const archiveAuditLog = operation({
  name: 'ArchiveAuditLog',
  service: 'keyhold',
  readOnly: false,
  permissions: [{ action: 'keyhold:ArchiveAuditLog' }],
  audited: ['before', 'directory'],
  auditedResponse: (response) => response,
  async handle({ request: { before, directory }, services: { auditArchive } }) {
    const files = await auditArchive(directory, before);
    return { response: { archives: files.map(({ archive }) => archive) } };
  },
});

export const auditArchiveOperations: readonly AnyOperation[] = [archiveAuditLog];
