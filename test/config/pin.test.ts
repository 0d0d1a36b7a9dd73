// The PIN passed to C_Login, in the form of the profile.
import t from 'tap';
import { loginPin } from '../../daemon/config/pin.js';

const read = () => Promise.resolve(Buffer.from('1234'));
const profile = (pin: string, protectedPath = false) => ({
  name: 'a module',
  login: { userType: 1, pin, protectedPath },
});
const given = async (form: string, user?: string) =>
  (await loginPin(profile(form), { user }, read)).toString();

void t.test('the PIN alone, or after the user, with any characters', async (t) => {
  t.equal(await given('${pin}'), '1234');
  t.equal(await given('${user}:${pin}', 'crypto-user'), 'crypto-user:1234');
  t.equal(await given('${user}:${pin}', "a$&b$'$1"), "a$&b$'$1:1234");
  t.equal(await given('0001${pin}'), '00011234');
});

void t.test('a missing or superfluous user is reported; the PIN is not read', async (t) => {
  const untouched = () => Promise.reject(new Error('the PIN was read'));
  const attempt = (form: string, user?: string) => loginPin(profile(form), { user }, untouched);
  await t.rejects(attempt('${user}:${pin}'), { message: /no 'user' for the token/ });
  await t.rejects(attempt('${pin}', 'somebody'), { message: /names a 'user' for the token/ });
});

void t.test('with a protected authentication path there is none', async (t) => {
  t.equal((await loginPin(profile('${pin}', true), { user: undefined }, read)).length, 0);
});
