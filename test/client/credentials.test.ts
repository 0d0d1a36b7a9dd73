import { join } from 'node:path';
import t from 'tap';
import { defaultCredentials, parseProfiles } from '../../client/credentials.js';

const file = `# made by keyhold init
[default]
aws_access_key_id = AKIADEFAULT
aws_secret_access_key=se/cr=et+

  [not-a-section]
[ ops ]
; comment
AWS_ACCESS_KEY_ID=AKIAOPS\r
aws_secret_access_key = other # not a comment
aws_session_token =   token
aws_nothing =
[half]
aws_access_key_id = AKIAHALF
`;

function environment(t: { testdir: (fixture: Record<string, string>) => string }, more = {}) {
  return { AWS_SHARED_CREDENTIALS_FILE: join(t.testdir({ credentials: file }), 'credentials'), ...more };
}

void t.test('the file and profile that AWS tools read are read', async (t) => {
  t.match(await defaultCredentials(environment(t)), {
    accessKeyId: 'AKIADEFAULT',
    secretAccessKey: 'se/cr=et+',
  });
  t.strictSame(await defaultCredentials(environment(t, { AWS_PROFILE: 'ops' })), {
    accessKeyId: 'AKIAOPS',
    secretAccessKey: 'other # not a comment',
    sessionToken: 'token',
  });
});

void t.test(
  'an access key in the environment takes precedence over the file, an incomplete one does not',
  async (t) => {
    const env = { AWS_ACCESS_KEY_ID: 'AKIAENV', AWS_SECRET_ACCESS_KEY: 's', AWS_SESSION_TOKEN: 't' };
    t.strictSame(await defaultCredentials(environment(t, env)), {
      accessKeyId: 'AKIAENV',
      secretAccessKey: 's',
      sessionToken: 't',
    });
    const half = environment(t, { AWS_ACCESS_KEY_ID: 'AKIAENV', AWS_SECRET_ACCESS_KEY: '' });
    t.match(await defaultCredentials(half), { accessKeyId: 'AKIADEFAULT' });
  },
);

void t.test('if no access key is found, the error says where the client looked', async (t) => {
  const none = environment(t, { AWS_PROFILE: 'none' });
  await t.rejects(defaultCredentials(none), { code: 'NoCredentials', message: /profile 'none'/ });
  const half = environment(t, { AWS_PROFILE: 'half' });
  await t.rejects(defaultCredentials(half), { code: 'NoCredentials', message: /profile 'half'/ });
  const missing = { AWS_SHARED_CREDENTIALS_FILE: '/nowhere/credentials' };
  await t.rejects(defaultCredentials(missing), {
    code: 'NoCredentials',
    message: /'\/nowhere\/credentials'/,
  });
});

void t.test('a repeated section is merged, and lines before the first section are ignored', (t) => {
  const profiles = parseProfiles('a = 1\n[x]\na = 1\n[y]\na = 2\n[x]\nb = 3\n');
  t.strictSame([...profiles.keys()], ['x', 'y']);
  t.strictSame(
    [...(profiles.get('x') ?? [])],
    [
      ['a', '1'],
      ['b', '3'],
    ],
  );
  t.end();
});
