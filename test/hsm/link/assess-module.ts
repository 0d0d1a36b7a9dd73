// Tries whether a token can be linked, as `region link` does: assess-module.js PROFILE HOME LABEL OFFICER_PIN USER_PIN.
// Prints the reason if it cannot.
import { loadProfile } from '../../../daemon/config/load.js';
import { HsmError } from '../../../daemon/hsm/key-store.js';
import { assess } from '../../../daemon/hsm/link/index.js';

const [profile, home, label, officerPin, userPin] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
  string,
];
const { library, environment, initialize } = loadProfile(profile, home);
Object.assign(process.env, environment);
const pins = { officer: () => Buffer.from(officerPin), user: () => Buffer.from(userPin) };
try {
  await assess({ library, initialize, token: { label } }, pins);
  process.stdout.write('can be linked');
} catch (error) {
  if (!(error instanceof HsmError)) throw error;
  process.stdout.write(error.message);
}
