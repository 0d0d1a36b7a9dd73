// A process that connects to a token and waits to be killed. Arguments: library, token label, environment as JSON.
import { connect } from '../../../daemon/hsm/pool/connect.js';
import { PIN } from '../token.js';

const [library = '', label = '', env = '{}'] = process.argv.slice(2);
await connect({
  name: 'test',
  library,
  token: { label },
  env: JSON.parse(env) as Record<string, string>,
  workers: 2,
  readPin: () => Promise.resolve(Buffer.from(PIN)),
  latch: { isSet: () => false, refusal: () => 'login-refused', set: () => undefined },
});
