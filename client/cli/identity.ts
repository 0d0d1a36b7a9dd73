// keyhold identity: the everyday commands on users, roles and access keys. Each is one or two operations, which are
// there as commands of their own too, with all their options.
import { type Command, Option } from 'commander';
import { type OperationName, shapeByName } from '../../proto/schema/descriptor.js';
import type { Client } from '../client.js';
import { ServiceError } from '../errors.js';
import { writeCredentials } from './credentials-file.js';
import { type Format, formats, render, toAwsNames } from './output.js';
import { withClient } from './session.js';
import { readMap, readValue, UsageError } from './values.js';

interface Identity {
  readonly kind: 'user' | 'role';
  readonly name: string;
}

interface CommonOptions {
  readonly output: Format;
  readonly query?: string;
}

const principalForms = 'NAME, user/NAME, role/NAME, or an ARN';

/** Adds `keyhold identity create-user` and its siblings. */
export function addIdentityCommands(program: Command): void {
  const group = program.command('identity').description('Users, roles and their access keys.');
  const add = (name: string, description: string) =>
    group
      .command(name)
      .description(description)
      .addOption(new Option('--output <format>', 'how to print').choices(formats).default('json'))
      .option('--query <expression>', 'a JMESPath expression that picks what to print');

  add('create-user', 'Makes a user.')
    .argument('<name>')
    .option('--path <path>', 'begins and ends with /')
    .option('--tags <value>', 'name=value,other=value')
    .option('--permissions-boundary <arn>', 'ARN of a managed policy')
    .action((userName: string, options: CreateOptions) =>
      run('CreateUser', options, (client) => client.createUser({ userName, ...created(options) })),
    );
  add('create-role', 'Makes a role.')
    .argument('<name>')
    .requiredOption('--trust-policy <document>', 'who may assume it: JSON, or a file as file://path')
    .option('--description <text>')
    .option('--max-session-duration <seconds>', '3600 to 43200')
    .option('--path <path>', 'begins and ends with /')
    .option('--tags <value>', 'name=value,other=value')
    .option('--permissions-boundary <arn>', 'ARN of a managed policy')
    .action((roleName: string, options: CreateOptions & CreateRoleOptions) =>
      run('CreateRole', options, (client) => client.createRole(roleRequest(roleName, options))),
    );
  add('list', 'Lists users and roles.').action((options: CommonOptions) => list(options));
  add('delete', 'Removes a user or role that has neither policies nor access keys.')
    .argument('<principal>', principalForms)
    .action((principal: string, options: CommonOptions) =>
      onIdentity(principal, options, {
        user: ['DeleteUser', (client, userName) => client.deleteUser({ userName })],
        role: ['DeleteRole', (client, roleName) => client.deleteRole({ roleName })],
      }),
    );
  add('attach-policy', 'Gives a managed policy to a user or role.')
    .argument('<principal>', principalForms)
    .argument('<policy>', 'its name or ARN')
    .action((principal: string, policy: string, options: CommonOptions) =>
      onIdentity(principal, options, {
        user: [
          'AttachUserPolicy',
          async (client, userName) =>
            client.attachUserPolicy({ userName, policyArn: await policyArn(client, policy) }),
        ],
        role: [
          'AttachRolePolicy',
          async (client, roleName) =>
            client.attachRolePolicy({ roleName, policyArn: await policyArn(client, policy) }),
        ],
      }),
    );
  add('detach-policy', 'Takes a managed policy from a user or role.')
    .argument('<principal>', principalForms)
    .argument('<policy>', 'its name or ARN')
    .action((principal: string, policy: string, options: CommonOptions) =>
      onIdentity(principal, options, {
        user: [
          'DetachUserPolicy',
          async (client, userName) =>
            client.detachUserPolicy({ userName, policyArn: await policyArn(client, policy) }),
        ],
        role: [
          'DetachRolePolicy',
          async (client, roleName) =>
            client.detachRolePolicy({ roleName, policyArn: await policyArn(client, policy) }),
        ],
      }),
    );
  add('tag', 'Tags a user or role.')
    .argument('<principal>', principalForms)
    .argument('<tags>', 'name=value,other=value')
    .action((principal: string, text: string, options: CommonOptions) => {
      const tags = readTags(text);
      return onIdentity(principal, options, {
        user: ['TagUser', (client, userName) => client.tagUser({ userName, tags })],
        role: ['TagRole', (client, roleName) => client.tagRole({ roleName, tags })],
      });
    });
  add('create-access-key', 'Makes an access key and shows its secret, or writes it into a credentials file.')
    .argument('[user]', 'without it, of the caller')
    .option('--credentials-file <path>', 'a file as AWS tools read it; the secret is then not printed')
    .option('--profile <name>', 'profile in that file', 'default')
    .action(createAccessKey);
  add('list-access-keys', 'Lists the access keys of a user.')
    .argument('[user]', 'without it, of the caller')
    .action((user: string | undefined, options: CommonOptions) =>
      run('ListAccessKeys', options, (client) => client.listAccessKeys({ userName: userIn(user) })),
    );
  add('deactivate', 'Keeps an access key from signing, from the next request on.')
    .argument('<access-key-id>')
    .action((accessKeyId: string, options: CommonOptions) =>
      run('UpdateAccessKey', options, (client) =>
        client.updateAccessKey({ accessKeyId, status: 'Inactive' }),
      ),
    );
  add('activate', 'Lets an access key sign again.')
    .argument('<access-key-id>')
    .action((accessKeyId: string, options: CommonOptions) =>
      run('UpdateAccessKey', options, (client) => client.updateAccessKey({ accessKeyId, status: 'Active' })),
    );
  add('delete-access-key', 'Removes an access key.')
    .argument('<access-key-id>')
    .action((accessKeyId: string, options: CommonOptions) =>
      run('DeleteAccessKey', options, (client) => client.deleteAccessKey({ accessKeyId })),
    );
}

interface CreateOptions extends CommonOptions {
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
  { output, query }: CommonOptions,
  call: (client: Client) => Promise<object>,
): Promise<void> {
  return withClient(async (client) => {
    const response = await call(client);
    const { response: shape } = shapeByName.get(operation)!;
    process.stdout.write(await render(toAwsNames(shape, response as Record<string, unknown>), output, query));
  }, operation);
}

type Call = (client: Client, name: string) => Promise<object>;

/** Calls the operation for the kind of identity that is named. */
function onIdentity(
  text: string,
  options: CommonOptions,
  calls: Readonly<Record<Identity['kind'], readonly [OperationName, Call]>>,
): Promise<void> {
  let operation: OperationName = 'GetUser';
  return withClient(
    async (client) => {
      const { kind, name } = await findIdentity(client, text);
      const [named, call] = calls[kind];
      operation = named;
      const response = (await call(client, name)) as Record<string, unknown>;
      const shape = shapeByName.get(operation)!.response;
      process.stdout.write(await render(toAwsNames(shape, response), options.output, options.query));
    },
    () => operation,
  );
}

/** @throws UsageError where a name alone is that of a user and of a role, or of none */
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
      ? `'${text}' is a user and a role: say user/${text} or role/${text}.`
      : `There is no user and no role '${text}'.`,
  );
}

/** The name of a user in any of the forms. */
function userIn(text: string | undefined): string | undefined {
  return text?.replace(/^(arn:aws:iam::[0-9]{12}:)?user\/(.*\/)?/, '');
}

/** Finds a policy by its name, whatever its path. */
async function policyArn(client: Client, policy: string): Promise<string> {
  if (policy.startsWith('arn:')) return policy;
  let marker: string | undefined;
  do {
    const { policies = [], nextMarker } = await client.listPolicies({ marker });
    const found = policies.find(({ policyName }) => policyName?.toLowerCase() === policy.toLowerCase());
    if (found?.arn !== undefined) return found.arn;
    marker = nextMarker;
  } while (marker !== undefined);
  throw new UsageError(`There is no managed policy '${policy}': make one with 'keyhold create-policy'.`);
}

/** Every page of both lists. */
function list({ output, query }: CommonOptions): Promise<void> {
  return withClient(async (client) => {
    const users: object[] = [];
    const roles: object[] = [];
    for (let marker: string | undefined, more = true; more; more = marker !== undefined) {
      const page = await client.listUsers({ marker });
      users.push(...(page.users ?? []));
      marker = page.nextMarker;
    }
    for (let marker: string | undefined, more = true; more; more = marker !== undefined) {
      const page = await client.listRoles({ marker });
      roles.push(...(page.roles ?? []));
      marker = page.nextMarker;
    }
    const named = {
      ...toAwsNames(shapeByName.get('ListUsers')!.response, { users }),
      ...toAwsNames(shapeByName.get('ListRoles')!.response, { roles }),
    };
    process.stdout.write(await render(named, output, query));
  }, 'ListUsers');
}

interface AccessKeyOptions extends CommonOptions {
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
