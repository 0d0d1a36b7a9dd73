// Rules for every entry of the operation table.
import t from 'tap';
import { operationTable } from '../../daemon/operations/table.js';

void t.test('the keys of an operation have different roles, and the encrypting key is one of them', (t) => {
  for (const { name, permissions, encrypts } of operationTable.values()) {
    const roles = permissions.filter(({ key }) => key).map(({ role = 'key' }) => role);
    t.equal(new Set(roles).size, roles.length, name);
    if (encrypts) t.ok(roles.includes(encrypts), `${name} encrypts under a key of its own`);
  }
  t.end();
});
