// GetStatus: the status of the daemon, for operators who are not on its machine.
import { type AnyOperation, operation } from '../../pipeline/operation.js';

const getStatus = operation({
  name: 'GetStatus',
  service: 'keyhold',
  readOnly: true,
  permissions: [{ action: 'keyhold:GetStatus' }],
  audited: [],
  handle: ({ services }) => ({ response: services.status() }),
});

export const statusOperations: readonly AnyOperation[] = [getStatus];
