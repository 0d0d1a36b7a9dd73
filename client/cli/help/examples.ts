// Examples of commands for help.
import type { Argument, Command, Option } from 'commander';
import { requiredHeading } from './headings.js';

/** A command line, and a text if its purpose is not obvious. */
export interface Example {
  readonly text: string;
  readonly line: string;
}

/** Examples by the words of a command after `keyhold`. For other commands one is made of what they require. */
const written: Readonly<Record<string, readonly (readonly [text: string, line: string])[]>> = {
  '': [
    ['create a key and name it', 'keyhold create-key --description "for the application"'],
    ['', 'keyhold create-alias --alias-name alias/app --target-key-id KEY-ID'],
    ['encrypt a file of any size', 'keyhold seal --key-id alias/app report.pdf'],
    ['the keys, and all of one', 'keyhold ls'],
    ['', 'keyhold show app'],
    ['completion in this shell', '. <(keyhold completion bash)'],
  ],
  status: [['', 'keyhold status']],
  'audit query': [
    ['who was refused today', 'keyhold audit query --outcome failure --since 1d'],
    ['who used a key', 'keyhold audit query --key alias/app --event Decrypt --since 7d'],
    ['through the daemon, from any machine', 'keyhold audit query --remote --principal user/alice'],
  ],
  'audit tail': [['', 'keyhold audit tail -f']],
  'query-audit': [['', 'keyhold query-audit --outcome failure --since 1d']],
  ls: [
    ['keys that nobody has used for three months', 'keyhold ls --state Enabled --unused-for 90d'],
    ['IDs for a script', "keyhold ls --tag team=red --query 'Keys[].KeyId' --output text"],
  ],
  show: [['', 'keyhold show app']],
  whoami: [['', 'keyhold whoami --profile alice']],
  version: [['', 'keyhold version']],
  completion: [
    [
      'bash, now and in new shells',
      ". <(keyhold completion bash)\necho '. <(keyhold completion bash)' >> ~/.bashrc",
    ],
    ['fish', 'keyhold completion fish > ~/.config/fish/completions/keyhold.fish'],
  ],
  seal: [
    ['report.pdf.sealed', 'keyhold seal --key-id alias/app report.pdf'],
    ['a stream', 'tar c folder | keyhold seal --key-id alias/app - > folder.tar.sealed'],
  ],
  open: [
    ['report.pdf', 'keyhold open report.pdf.sealed'],
    ['a stream', 'keyhold open --output-file - folder.tar.sealed | tar x'],
  ],
  encrypt: [
    [
      '',
      'keyhold encrypt --key-id alias/app --plaintext fileb://message \\\n    --encryption-context purpose=example',
    ],
    [
      'the bytes of the ciphertext in a file',
      'keyhold encrypt --key-id alias/app --plaintext fileb://message \\\n    --query CiphertextBlob --output text | base64 -d > message.encrypted',
    ],
  ],
  decrypt: [
    [
      '',
      'keyhold decrypt --ciphertext-blob fileb://message.encrypted \\\n    --encryption-context purpose=example --query Plaintext --output text | base64 -d',
    ],
  ],
  'create-key': [
    ['a symmetric key', 'keyhold create-key --description "for the application"'],
    ['a key pair', 'keyhold create-key --key-spec ECC_NIST_P256 --key-usage SIGN_VERIFY'],
    ['a key with tags', 'keyhold create-key --tags TagKey=team,TagValue=red'],
  ],
  'generate-data-key': [['', 'keyhold generate-data-key --key-id alias/app --key-spec AES_256']],
  'generate-data-key-without-plaintext': [
    ['', 'keyhold generate-data-key-without-plaintext --key-id alias/app \\\n    --key-spec AES_256'],
  ],
  'generate-random': [['', 'keyhold generate-random --number-of-bytes 32']],
  sign: [
    [
      '',
      'keyhold sign --key-id alias/pair --message fileb://message \\\n    --signing-algorithm ECDSA_SHA_256 --query Signature --output text',
    ],
  ],
  'list-keys': [
    ['', 'keyhold list-keys'],
    ['the first ten', 'keyhold list-keys --max-items 10'],
  ],
  'policy explain': [
    [
      '',
      'keyhold policy explain --principal user/alice --action kms:Decrypt --key alias/app \\\n    --context kms:EncryptionContext:purpose=example',
    ],
  ],
  migrate: [['', 'keyhold migrate --from default --to second-hsm']],
  'audit archive': [['', 'keyhold audit archive --before 90d --to /mnt/audit-archive']],
  'region link': [
    [
      'the folder is one that both sides see, or its files are copied to the other side',
      'keyhold region link --peer-region eu-central-1 --exchange /mnt/exchange',
    ],
  ],
  'region rotate': [['', 'keyhold region rotate --peer-region eu-central-1 --exchange /mnt/exchange']],
  'region list': [['', 'keyhold region list']],
  'region unlink': [['', 'keyhold region unlink --peer-region eu-central-1']],
  backup: [['', 'keyhold backup /mnt/backups/keyhold-$(date +%F).backup']],
  seed: [['', 'keyhold seed keys.yaml']],
  'import-key-material': [
    [
      '',
      'keyhold import-key-material --key-id KEY-ID --import-token fileb://token \\\n    --encrypted-key-material fileb://wrapped --expiration-model KEY_MATERIAL_DOES_NOT_EXPIRE',
    ],
  ],
};

/** Sample values of required options and arguments. */
const samples: Readonly<Record<string, string>> = {
  '--access-key-id': 'AKIAEXAMPLE',
  '--action': 'kms:Decrypt',
  '--alias-name': 'alias/app',
  '--before': '2026-01-01',
  '--directory': '/srv/audit-archive',
  '--backup-id': 'BACKUP-ID',
  '--part': '0',
  '--assume-role-policy-document': 'file://trust.json',
  '--certificate': 'fileb://peer.der',
  '--ciphertext-blob': 'fileb://message.encrypted',
  '--custom-key-store-id': 'cks-1234567890abcdef0',
  '--custom-key-store-name': 'second-hsm',
  '--destination-key-id': 'alias/other',
  '--encapsulation-algorithm': 'ML_KEM',
  '--encrypted-key-material': 'fileb://wrapped',
  '--endpoint': 'wss://keyhold.example.com:7445',
  '--from': 'default',
  '--generation': '1',
  '--grant-id': 'GRANT-ID',
  '--grantee-principal': 'arn:aws:iam::000000000000:user/alice',
  '--import-token': 'fileb://token',
  '--key-agreement-algorithm': 'ECDH',
  '--key-id': 'alias/app',
  '--key-pair-spec': 'ECC_NIST_P256',
  '--mac': 'fileb://message.mac',
  '--mac-algorithm': 'HMAC_SHA_256',
  '--message': 'fileb://message',
  '--operations': 'Encrypt Decrypt',
  '--peer-region': 'eu-central-1',
  '--permissions-boundary': 'arn:aws:iam::000000000000:policy/most',
  '--policy': 'file://policy.json',
  '--policy-arn': 'arn:aws:iam::000000000000:policy/reader',
  '--policy-document': 'file://policy.json',
  '--policy-name': 'reader',
  '--primary-region': 'eu-central-1',
  '--principal': 'user/alice',
  '--public-key': 'fileb://public.der',
  '--replica-region': 'eu-central-1',
  '--retiring-principal': 'arn:aws:iam::000000000000:user/alice',
  '--role-arn': 'arn:aws:iam::000000000000:role/deploy',
  '--role-name': 'deploy',
  '--role-session-name': 'monday',
  '--shared-secret-ciphertext-blob': 'fileb://shared.encrypted',
  '--signature': 'fileb://message.signature',
  '--signing-key': 'fileb://signing-key.der',
  '--signing-algorithm': 'ECDSA_SHA_256',
  '--status': 'Inactive',
  '--tag-keys': 'team',
  '--tags': 'TagKey=team,TagValue=red',
  '--target-key-id': 'KEY-ID',
  '--to': 'second-hsm',
  '--trust-policy': 'file://trust.json',
  '--user-name': 'alice',
  '--version-id': 'v2',
  '--wrapping-algorithm': 'RSAES_OAEP_SHA_256',
  '--wrapping-key-spec': 'RSA_3072',
  '--description': '"for the application"',
  'access-key-id': 'AKIAEXAMPLE',
  file: 'report.pdf',
  key: 'app',
  name: 'alice',
  policy: 'reader',
  principal: 'user/alice',
  shell: 'bash',
  tags: 'team=red',
  user: 'alice',
};

/** Sample values that differ for one command: tags of users and roles have other member names than those of keys. */
const exceptions: Readonly<Record<string, string>> = {
  'tag-user --tags': 'Key=team,Value=red',
  'tag-role --tags': 'Key=team,Value=red',
};

const longestLine = 76;
/** The sample value of an option that is not in `samples`. */
const noSample = '...';

/**
 * Returns the examples of a command.
 * @param words the words of the command after `keyhold`
 * @returns an empty list for a group of commands, and for programs that parse their own arguments
 */
export function examplesOf(words: string, command: Command): readonly Example[] {
  const own = written[words];
  if (own) return own.map(([text, line]) => ({ text, line }));
  if (command.commands.length > 0 || command.createHelp().visibleOptions(command).length === 0) return [];
  const required = command.options.filter(isRequired).map((option) => {
    return `${option.long} ${exceptions[`${words} ${option.long}`] ?? sampleOf(option.long!)}`;
  });
  const given = command.registeredArguments.filter((each) => each.required).map(sampleOfArgument);
  return [{ text: '', line: broken([`keyhold ${words}`, ...given, ...required]) }];
}

function isRequired({ mandatory, helpGroupHeading }: Option): boolean {
  return mandatory || helpGroupHeading === requiredHeading;
}

function sampleOf(name: string): string {
  return samples[name] ?? noSample;
}

function sampleOfArgument(argument: Argument): string {
  return sampleOf(argument.name());
}

/** Joins the parts of a line, with backslashes at line breaks. */
function broken(parts: readonly string[]): string {
  return parts.reduce((line, part) => {
    const last = line.slice(line.lastIndexOf('\n') + 1);
    return last.length + 1 + part.length <= longestLine ? `${line} ${part}` : `${line} \\\n    ${part}`;
  });
}
