// A program that appends until it is killed, and prints the head after each append that has returned.
import { openAuditLog } from '../../daemon/audit/open.js';
import { members, place, signer } from './support.js';

const log = await openAuditLog({
  directory: process.argv[2] ?? '',
  signer,
  ...place,
  observe: () => undefined,
  maxFileSize: 256 * 1024,
});
await Promise.all(
  Array.from({ length: 16 }, async (_, writer) => {
    for (;;) {
      await log.append(members(writer, 'x'.repeat(500)));
      process.stdout.write(`${JSON.stringify(log.head)}\n`);
    }
  }),
);
