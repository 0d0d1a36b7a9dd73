// Dangerous commands say what they will do and ask for confirmation on a terminal. In a pipe they do not ask, just like the
// AWS CLI, so scripts keep working.
import { Option } from 'commander';
import type { OperationName } from '../../proto/schema/descriptor.js';
import { canAsk, isConfirmed } from '../../proto/question.js';
import { shown } from '../../proto/text.js';
import type { Client } from '../client.js';
import { ifAllowed } from './commands/parts.js';
import { paintFor } from './output/style.js';
import { relativeText, timeText } from './output/times.js';

type Request = Readonly<Record<string, unknown>>;

/** Describes in a sentence what a request will do. @returns undefined if this request takes nothing from anybody */
type Consequence = (request: Request) => string | undefined;

const defaultWindow = 30;
const secondsPerDay = 86_400;
const named = (value: unknown) => `'${shown(String(value))}'`;

const refusedWithout = (subject: string, policyArn: unknown) =>
  `Whatever only policy ${named(policyArn)} allows ${subject} is refused from the next request on.`;
const limitedTo = (subject: string, policyArn: unknown) =>
  `Whatever policy ${named(policyArn)} does not allow is refused to ${subject} from the next request on.`;

/** The operations that ask for confirmation: those that destroy something or take access from somebody. */
const consequences: Readonly<Partial<Record<OperationName, Consequence>>> = {
  ScheduleKeyDeletion: ({ pendingWindowInDays }) => {
    const days = Number(pendingWindowInDays ?? defaultWindow);
    const sooner =
      pendingWindowInDays === undefined ? ', or sooner where the daemon allows no period of that length' : '';
    const date = timeText(Date.now() / 1000 + days * secondsPerDay);
    return `The key stops working now. Its material is destroyed in ${days} days (${date})${sooner}. Nothing it encrypted can be decrypted then. Until that day cancel-key-deletion keeps it.`;
  },
  DisableKey: () => 'Every use of the key is refused from now on, until enable-key.',
  DeleteImportedKeyMaterial: () =>
    'The material is destroyed in the HSM now. The key works again only when the same material is imported again.',
  DeleteAlias: ({ aliasName }) =>
    `Requests that name ${named(aliasName)} are refused from now on. The key stays.`,
  DeleteRegionLink: ({ peerRegion, forgetKeys }) =>
    `The link to ${named(peerRegion)} ends now: no key is copied to that Region or kept equal with it any more. Linking again takes both security officers.` +
    (forgetKeys
      ? ' The keys of this Region no longer know of those there, and no link brings that back.'
      : ''),
  DeleteCustomKeyStore: () => 'The key store is removed. Its token is not changed.',
  DisconnectCustomKeyStore: () => 'The keys of the key store cannot be used until it is connected again.',
  DeleteUser: ({ userName }) =>
    `User ${named(userName)} is deleted. A new user of that name inherits nothing.`,
  DeleteRole: ({ roleName }) => `Role ${named(roleName)} is deleted. Its sessions end now.`,
  DetachUserPolicy: ({ userName, policyArn }) => refusedWithout(`user ${named(userName)}`, policyArn),
  DetachRolePolicy: ({ roleName, policyArn }) =>
    refusedWithout(`role ${named(roleName)} and its sessions`, policyArn),
  PutUserPermissionsBoundary: ({ userName, permissionsBoundary }) =>
    limitedTo(`user ${named(userName)}`, permissionsBoundary),
  PutRolePermissionsBoundary: ({ roleName, permissionsBoundary }) =>
    limitedTo(`role ${named(roleName)} and its sessions`, permissionsBoundary),
  DeletePolicy: ({ policyArn }) => `Policy ${named(policyArn)} is deleted.`,
  CreatePolicyVersion: ({ policyArn, setAsDefault }) =>
    setAsDefault === true ? inForce('The new version', policyArn) : undefined,
  SetDefaultPolicyVersion: ({ policyArn, versionId }) => inForce(`Version ${named(versionId)}`, policyArn),
  DeletePolicyVersion: ({ policyArn, versionId }) =>
    `Version ${named(versionId)} of policy ${named(policyArn)} is deleted, and cannot be restored.`,
  PutKeyPolicy: () =>
    'The present policy of the key is replaced. Whatever only that allows is refused from the next request on. get-key-policy shows it.',
  UpdateAssumeRolePolicy: ({ roleName }) =>
    `Whoever the new trust policy does not name can no longer assume role ${named(roleName)}. Its sessions go on until they expire.`,
  RevokeGrant: ({ grantId }) =>
    `Whatever only grant ${named(grantId)} allows is refused from the next request on.`,
  RetireGrant: () => 'Whatever only this grant allows is refused from the next request on.',
  UpdateAccessKey: ({ accessKeyId, status }) =>
    status === 'Inactive'
      ? `Requests that are signed with access key ${named(accessKeyId)} are refused from now on, until it is activated again.`
      : undefined,
  DeleteAccessKey: ({ accessKeyId }) =>
    `Access key ${named(accessKeyId)} is deleted, and cannot be restored. update-access-key --status Inactive only stops it.`,
};

function inForce(version: string, policyArn: unknown): string {
  return `${version} of policy ${named(policyArn)} is in force from the next request on, for everybody who has the policy. What it does not allow is refused.`;
}

/** Whether an operation may ask for confirmation. */
export function asksFirst(operation: OperationName): boolean {
  return consequences[operation] !== undefined;
}

/** Makes the option --yes, which skips the confirmation. */
export function yesOption(): Option {
  return new Option('--yes', 'do not ask; in a pipe nothing asks');
}

/** The command was not confirmed. Exit status 1. */
export class NotConfirmed extends Error {
  override readonly name = 'NotConfirmed';

  constructor() {
    super('Nothing was done.');
  }
}

/**
 * Says what a command will do and asks for confirmation, if standard input and standard error are terminals. For a key it
 * also shows its aliases, its state and when it was last used.
 * @param isAgreed whether --yes was given
 * @throws NotConfirmed
 */
export async function confirm(
  client: Client,
  operation: OperationName,
  request: Request,
  isAgreed: boolean,
): Promise<void> {
  const consequence = consequences[operation]?.(request);
  if (consequence === undefined || isAgreed || !canAsk()) return;
  const paint = paintFor(process.stderr);
  const { keyId } = request;
  if (typeof keyId === 'string')
    for (const line of await keyFacts(client, keyId)) process.stderr.write(`${line}\n`);
  process.stderr.write(`${paint('yellow', consequence)}\n`);
  if (!(await isConfirmed())) throw new NotConfirmed();
}

/** Describes a key, so that people recognize it and see whether it is in use. */
async function keyFacts(client: Client, keyId: string): Promise<string[]> {
  const metadata = (await ifAllowed(client.describeKey({ keyId })))?.keyMetadata;
  const id = metadata?.keyId ?? keyId;
  const [usage, listed] = await Promise.all([
    ifAllowed(client.getKeyLastUsage({ keyId: id })),
    ifAllowed(client.listAliases({ keyId: id })),
  ]);
  const names = (listed?.aliases ?? []).map(({ aliasName }) => aliasName).join(', ');
  const title = [`Key ${metadata?.keyId ?? shown(keyId)}`, names, metadata?.keySpec, metadata?.keyState];
  const facts = [title.filter(Boolean).join(', ')];
  if (metadata?.description) facts.push(`  ${shown(metadata.description)}`);
  if (usage) {
    const last = usage.keyLastUsage;
    facts.push(
      last?.timestamp === undefined
        ? '  never used'
        : `  last used ${relativeText(last.timestamp)} (${last.operation}, ${timeText(last.timestamp)})`,
    );
  }
  return facts;
}
