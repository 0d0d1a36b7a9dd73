// The functions of PKCS #11 v3.2 in a module that has none.
import t from 'tap';
import { EncapsulationFunctions } from '../../daemon/hsm/worker/functions-32.js';
import { LIBRARY } from './token.js';

void t.test('each attempt tells the same reason', (t) => {
  const expected = { code: 'unsupported', message: /has no interface of PKCS #11 v3\.2/ };
  for (let attempt = 0; attempt < 3; attempt++) t.throws(() => new EncapsulationFunctions(LIBRARY), expected);
  t.end();
});
