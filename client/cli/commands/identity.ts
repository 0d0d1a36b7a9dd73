// keyhold identity: everyday commands for users, roles and access keys. Each calls one or two operations, which also have
// commands of their own with all their options.
import type { Command } from 'commander';
import { type OperationName, shapeByName } from '../../../proto/schema/descriptor.js';
import type { Client } from '../../client.js';
import { ServiceError } from '../../errors.js';
import { asksFirst, confirm, yesOption } from '../confirmation.js';
import { writeCredentials } from '../credentials-file.js';
import { addOutputOptions, type OutputOptions, print, printResponse, toAwsNames } from '../output/output.js';
import { pagesOf } from '../pages.js';
import { withClient } from '../session.js';
import { readMap, readValue, UsageError } from '../input/values.js';

interface Identity {
  readonly kind: 'user' | 'role';
  readonly name: string;
}

const principalForms = 'NAME, user/NAME, role/NAME, or an ARN';
const boundaryText = 'ARN of the managed policy that is its permissions boundary';
const userText = 'name of the user; the caller by default';

/** Adds `keyhold identity create-user` and its siblings. */
export function addIdentityCommands(program: Command): void {
  const group = program
    .command('identity')
    .description('Manages users, roles and access keys with short commands.')
    .helpGroup('Users, roles and policies:');
  const add = (name: string, description: string) =>
    addOutputOptions(group.command(name).description(description));

  add('create-user', 'Creates a user.')
    .argument('<name>', 'its name')
    .option('--path <path>', 'its path, which begins and ends with /')
    .option('--tags <value>', 'its tags: name=value,other=value')
    .option('--permissions-boundary <arn>', boundaryText)
    .action((userName: string, options: CreateOptions) =>
      run('CreateUser', options, (client) => client.createUser({ userName, ...created(options) })),
    );
  add('create-role', 'Creates a role.')
    .argument('<name>', 'its name')
    .requiredOption(
      '--trust-policy <document>',
      'the trust policy, which says who may assume the role: JSON or file://path',
    )
    .option('--description <text>', 'a description')
    .option('--max-session-duration <seconds>', 'maximum duration of a session in seconds, 3600 to 43200')
    .option('--path <path>', 'its path, which begins and ends with /')
    .option('--tags <value>', 'its tags: name=value,other=value')
    .option('--permissions-boundary <arn>', boundaryText)
    .action((roleName: string, options: CreateOptions & CreateRoleOptions) =>
      run('CreateRole', options, (client) => client.createRole(roleRequest(roleName, options))),
    );
  add('list', 'Lists users and roles.').action((options: OutputOptions) => list(options));
  add('show', 'Shows a user or role: policies, boundary, tags, and access keys or trust policy.')
    .argument('<principal>', principalForms)
    .action((principal: string, options: OutputOptions) =>
      withClient(async (client) => {
        const { kind, name } = await findIdentity(client, principal);
        const { showIdentity } = await import('./identity-show.js');
        await showIdentity(client, kind, name, options);
      }, 'GetUser'),
    );
  add('delete', 'Deletes a user or role that has no attached policies and no access keys.')
    .argument('<principal>', principalForms)
    .addOption(yesOption())
    .action((principal: string, options: ConfirmedOptions) =>
      onIdentity(principal, options, {
        user: ['DeleteUser', (client, userName) => client.deleteUser({ userName })],
        role: ['DeleteRole', (client, roleName) => client.deleteRole({ roleName })],
      }),
    );
  for (const [name, ofUser, ofRole, description] of [
    ['attach-policy', 'attachUserPolicy', 'attachRolePolicy', 'Attaches a managed policy to a user or role.'],
    [
      'detach-policy',
      'detachUserPolicy',
      'detachRolePolicy',
      'Detaches a managed policy from a user or role.',
    ],
  ] as const) {
    const command = add(name, description)
      .argument('<principal>', principalForms)
      .argument('<policy>', 'its name or ARN')
      .action((principal: string, policy: string, options: ConfirmedOptions) =>
        onIdentity(
          principal,
          options,
          {
            user: [
              operationOf(ofUser),
              (client, userName, more) => client[ofUser]({ userName, policyArn: more.policyArn! }),
            ],
            role: [
              operationOf(ofRole),
              (client, roleName, more) => client[ofRole]({ roleName, policyArn: more.policyArn! }),
            ],
          },
          async (client) => ({ policyArn: await policyArn(client, policy) }),
        ),
      );
    if (asksFirst(operationOf(ofUser))) command.addOption(yesOption());
  }
  add('tag', 'Adds or changes tags of a user or role.')
    .argument('<principal>', principalForms)
    .argument('<tags>', 'name=value,other=value')
    .action((principal: string, text: string, options: OutputOptions) => {
      const tags = readTags(text);
      return onIdentity(principal, options, {
        user: ['TagUser', (client, userName) => client.tagUser({ userName, tags })],
        role: ['TagRole', (client, roleName) => client.tagRole({ roleName, tags })],
      });
    });
  add('create-access-key', 'Creates an access key and prints its secret, or writes it to a credentials file.')
    .argument('[user]', userText)
    .option(
      '--credentials-file <path>',
      'write the secret to this AWS credentials file instead of printing it',
    )
    .option('--profile <name>', 'profile in that file', 'default')
    .action(createAccessKey);
  add('list-access-keys', 'Lists the access keys of a user.')
    .argument('[user]', userText)
    .action((user: string | undefined, options: OutputOptions) =>
      run('ListAccessKeys', options, (client) => client.listAccessKeys({ userName: userIn(user) })),
    );
  add('deactivate', 'Deactivates an access key at once.')
    .argument('<access-key-id>', 'its ID')
    .addOption(yesOption())
    .action((accessKeyId: string, options: ConfirmedOptions) =>
      run('UpdateAccessKey', options, async (client) => {
        const request = { accessKeyId, status: 'Inactive' } as const;
        await confirm(client, 'UpdateAccessKey', request, options.yes === true);
        return client.updateAccessKey(request);
      }),
    );
  add('activate', 'Reactivates an access key.')
    .argument('<access-key-id>', 'its ID')
    .action((accessKeyId: string, options: OutputOptions) =>
      run('UpdateAccessKey', options, (client) => client.updateAccessKey({ accessKeyId, status: 'Active' })),
    );
  add('delete-access-key', 'Deletes an access key.')
    .argument('<access-key-id>', 'its ID')
    .addOption(yesOption())
    .action((accessKeyId: string, options: ConfirmedOptions) =>
      run('DeleteAccessKey', options, async (client) => {
        await confirm(client, 'DeleteAccessKey', { accessKeyId }, options.yes === true);
        return client.deleteAccessKey({ accessKeyId });
      }),
    );
}

interface ConfirmedOptions extends OutputOptions {
  readonly yes?: boolean;
}

interface CreateOptions extends OutputOptions {
  readonly path?: string;
  readonly tags?: string;
  readonly permissionsBoundary?: string;
}

interface CreateRoleOptions {
  readonly trustPolicy: string;
  readonly description?: string;
  readonly maxSessionDuration?: string;
}

function created({ path, tags, permissionsBoundary }: CreateOptions) {
  return { path, permissionsBoundary, tags: tags === undefined ? undefined : readTags(tags) };
}

function roleRequest(roleName: string, options: CreateOptions & CreateRoleOptions) {
  const { byName } = shapeByName.get('CreateRole')!.request;
  const { trustPolicy, description, maxSessionDuration } = options;
  const duration = maxSessionDuration && readValue(byName.get('maxSessionDuration')!, [maxSessionDuration]);
  return {
    roleName,
    description,
    assumeRolePolicyDocument: readValue(byName.get('assumeRolePolicyDocument')!, [trustPolicy]) as string,
    maxSessionDuration: duration as number | undefined,
    ...created(options),
  };
}

function readTags(text: string): { key: string; value: string }[] {
  return Object.entries(readMap('tags', text)).map(([key, value]) => ({ key, value }));
}

/** Calls an operation and prints its response. */
function run(
  operation: OperationName,
  options: OutputOptions,
  call: (client: Client) => Promise<object>,
): Promise<void> {
  return withClient(async (client) => printResponse(operation, await call(client), options), operation);
}

function operationOf<Method extends string>(method: Method) {
  return `${method.charAt(0).toUpperCase()}${method.slice(1)}` as Capitalize<Method>;
}

/** Members of a request besides the name of the identity. */
type More = Readonly<Partial<Record<'policyArn', string>>>;

type Call = (client: Client, name: string, more: More) => Promise<object>;

/** Calls the operation for the kind of the named identity. @param findMore finds other members of the request */
function onIdentity(
  text: string,
  options: ConfirmedOptions,
  calls: Readonly<Record<Identity['kind'], readonly [OperationName, Call]>>,
  findMore: (client: Client) => Promise<More> = () => Promise.resolve({}),
): Promise<void> {
  let operation: OperationName = 'GetUser';
  return withClient(
    async (client) => {
      const { kind, name } = await findIdentity(client, text);
      const [named, call] = calls[kind];
      operation = named;
      const more = await findMore(client);
      await confirm(client, operation, { [`${kind}Name`]: name, ...more }, options.yes === true);
      await printResponse(operation, await call(client, name, more), options);
    },
    () => operation,
  );
}

/** Finds a user or role. @throws UsageError if a bare name belongs to both or to neither */
async function findIdentity(client: Client, text: string): Promise<Identity> {
  const named = /^(?:arn:aws:iam::[0-9]{12}:)?(user|role)\/(?:.*\/)?([^/]+)$/.exec(text);
  if (named) return { kind: named[1] as Identity['kind'], name: named[2]! };
  const exists = async (lookup: Promise<unknown>) => {
    try {
      await lookup;
      return true;
    } catch (error) {
      if (error instanceof ServiceError && error.code === 'NoSuchEntityException') return false;
      throw error;
    }
  };
  const isUser = await exists(client.getUser({ userName: text }));
  const isRole = await exists(client.getRole({ roleName: text }));
  if (isUser !== isRole) return { kind: isUser ? 'user' : 'role', name: text };
  throw new UsageError(
    isUser
      ? `'${text}' is the name of both a user and a role. Use user/${text} or role/${text}.`
      : `There is no user or role '${text}'.`,
  );
}

/** Returns the name of a user that is given as NAME, user/NAME or an ARN. */
function userIn(text: string | undefined): string | undefined {
  return text?.replace(/^(arn:aws:iam::[0-9]{12}:)?user\/(.*\/)?/, '');
}

/** Finds a managed policy by its name, whatever its path. @throws UsageError if there is none */
async function policyArn(client: Client, policy: string): Promise<string> {
  if (policy.startsWith('arn:')) return policy;
  for await (const { policies = [] } of pagesOf((marker) => client.listPolicies({ marker }))) {
    const found = policies.find(({ policyName }) => policyName?.toLowerCase() === policy.toLowerCase());
    if (found?.arn !== undefined) return found.arn;
  }
  throw new UsageError(
    `There is no managed policy '${policy}'. 'keyhold list-policies' lists those that exist.`,
  );
}

/** Prints all users and all roles. */
function list(options: OutputOptions): Promise<void> {
  return withClient(async (client) => {
    const users: object[] = [];
    const roles: object[] = [];
    for await (const page of pagesOf((marker) => client.listUsers({ marker })))
      users.push(...(page.users ?? []));
    for await (const page of pagesOf((marker) => client.listRoles({ marker })))
      roles.push(...(page.roles ?? []));
    const named = {
      ...toAwsNames(shapeByName.get('ListUsers')!.response, { users }),
      ...toAwsNames(shapeByName.get('ListRoles')!.response, { roles }),
    };
    await print(named, options);
  }, 'ListUsers');
}

interface AccessKeyOptions extends OutputOptions {
  readonly credentialsFile?: string;
  readonly profile: string;
}

function createAccessKey(user: string | undefined, options: AccessKeyOptions): Promise<void> {
  const { credentialsFile, profile } = options;
  return run('CreateAccessKey', options, async (client) => {
    const create = async () => (await client.createAccessKey({ userName: userIn(user) })).accessKey ?? {};
    if (credentialsFile === undefined) return { accessKey: await create() };
    const accessKey = await writeCredentials(credentialsFile, profile, create);
    return { accessKey: { ...accessKey, secretAccessKey: undefined } };
  });
}
