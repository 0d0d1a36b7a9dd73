// Documents that are refused, with the place and the fault that the message must name.
import { account, aws, names } from '../engine/world.js';

/** Document, beginning of the message, and a word of the rest. */
export type Malformed = readonly [document: string, place: string, what: RegExp];

const everything = { Effect: 'Allow', Action: 'kms:*', Resource: '*' };
const toAll = { ...everything, Principal: '*' };

/** A document with one statement that differs from a valid one. */
const but = (more: object, good: object = toAll) =>
  JSON.stringify({ Version: '2012-10-17', Statement: [{ ...good, ...more }] });

const condition = (block: unknown) => but({ Condition: block });
const value = (operator: string, given: unknown) => condition({ [operator]: { 'kms:KeySpec': given } });
const at = (operator: string) => `Statement[0].Condition.${operator}.kms:KeySpec`;

export const notJson: readonly Malformed[] = [
  ['', 'This is not JSON', /line 1, column 1\./],
  ['{', 'This is not JSON', /line 1, column 2\./],
  ['{"Version":\n "2012-10-17",\n}', 'This is not JSON', /line 3, column 1\./],
  ["{'Version': 1}", 'This is not JSON', /line 1, column 2\./],
  ['{"Version" "2012-10-17"}', 'This is not JSON', /colon.*column 12\./],
  ['{"a": [1 2]}', 'This is not JSON', /comma.*column 10\./],
  ['{"a": 01}', 'This is not JSON', /column 8\./],
  ['{"a": "tab\there"}', 'This is not JSON', /column 7\./],
  ['{"a": "\\x41"}', 'This is not JSON', /column 7\./],
  ['{"a": nul}', 'This is not JSON', /column 7\./],
  ['{} {}', 'This is not JSON', /expected the end of the document at line 1, column 4\./],
  ['{"Statement": [\n{"Effect" "Allow"}]}', 'This is not JSON', /line 2, column 11\./],
  ['['.repeat(5_000), 'This is not JSON', /column 17\./],
  ['{"a": "\u20ac"}', 'The character U+20AC at line 1, column 8', /Latin-1/],
  ['\ufeff{}', 'The character U+FEFF at line 1, column 1', /Latin-1/],
];

export const keyPolicies: readonly Malformed[] = [
  ['[]', 'A policy document is', /object/],
  ['"x"', 'A policy document is', /object/],
  ['{}', 'It has no Statement', /./],
  ['{"Statement":[]}', 'Statement', /at least one/],
  ['{"Statement":"x"}', 'Statement', /object/],
  ['{"Statement":[[]]}', 'Statement[0]', /object/],
  ['{"Version":"2012-10-18","Statement":[]}', 'Version', /2012-10-17/],
  ['{"Version":2012,"Statement":[]}', 'Version', /2012-10-17/],
  ['{"Id":5,"Statement":[]}', 'Id', /string/],
  ['{"version":"2012-10-17","Statement":[]}', 'There is no element "version"', /./],
  ['{"Statement":[],"Statement":[]}', 'Statement', /twice/],
  ['{"Statement":[{"Effect":"Allow","Effect":"Deny"}]}', 'Statement[0].Effect', /twice/],
  [
    '{"Statement":[{},{"Condition":{"Bool":{"a:b":"1","a:b":"2"}}}]}',
    'Statement[1].Condition.Bool.a:b',
    /twice/,
  ],
  ['{"Statement":[{"Condition":{"Bool":{"__proto__":"1"}}}]}', 'Statement[0].Condition.Bool', /__proto__/],
  ['{"Statement":[{"\\u0045ffect":"Allow","Effect":"Deny"}]}', 'Statement[0].Effect', /twice/],
  ['{"Statement":{"Effect":"allow"}}', 'Statement.Effect', /"Allow" or "Deny"/],
  [but({ Effect: undefined }), 'Statement[0].Effect', /"Allow" or "Deny"/],
  [but({ Effect: ['Allow'] }), 'Statement[0].Effect', /"Allow" or "Deny"/],
  [but({ effect: 'Allow' }), 'Statement[0]: There is no element "effect"', /./],
  [but({ Sid: 5 }), 'Statement[0].Sid', /string/],
  [but({ Action: [] }), 'Statement[0].Action', /at least one/],
  [but({ Action: {} }), 'Statement[0].Action', /string/],
  [but({ Action: ['kms:Sign', 5] }), 'Statement[0].Action[1]', /string/],
  [but({ Action: 'Encrypt' }), 'Statement[0].Action: "Encrypt"', /begin with a service/],
  [but({ Action: ['kms:Sign', 'kms:'] }), 'Statement[0].Action[1]: "kms:"', /not an action/],
  [but({ Action: 'k*s:Encrypt' }), 'Statement[0].Action', /not an action/],
  [but({ Action: 'kms:${aws:username}' }), 'Statement[0].Action', /not an action/],
  [but({ Action: '' }), 'Statement[0].Action', /not an action/],
  [but({ NotAction: 'kms:Sign' }), 'Statement[0]: It has both Action and NotAction', /./],
  [but({ NotResource: '*' }), 'Statement[0]: It has both Resource and NotResource', /./],
  [but({ Resource: [] }), 'Statement[0].Resource', /at least one/],
  [but({ Resource: 'key/1' }), 'Statement[0].Resource: "key/1"', /ARN or "\*"/],
  [but({ Resource: ['*', 'arn:aws:kms:us-east-1'] }), 'Statement[0].Resource[1]', /six parts/],
  [but({ Resource: 'arn:aws:kms:${aws:RequestedRegion}:1:key/*' }), 'Statement[0].Resource', /fifth colon/],
  [but({ Resource: 'arn:aws:kms:*:*:key/${aws:username' }), 'Statement[0].Resource', /closing brace/],
  [but({ Principal: undefined }), 'Statement[0]: It has no Principal', /./],
  [but({ NotPrincipal: '*' }), 'Statement[0]: It has both Principal and NotPrincipal', /./],
  [but({ NotPrincipal: '*', Principal: undefined }), 'Statement[0].NotPrincipal', /"Deny"/],
  [but({ Principal: {} }), 'Statement[0].Principal', /nobody/],
  [but({ Principal: { AWS: [] } }), 'Statement[0].Principal', /nobody/],
  [but({ Principal: 'alice' }), 'Statement[0].Principal', /"\*"/],
  [but({ Principal: ['*'] }), 'Statement[0].Principal', /"\*"/],
  [but({ Principal: { aws: '*' } }), 'Statement[0].Principal: There is no element "aws"', /./],
  [but({ Principal: { AWS: 111122223333 } }), 'Statement[0].Principal.AWS', /string/],
  [but({ Principal: aws('1111') }), 'Statement[0].Principal.AWS: "1111"', /not a principal/],
  [
    but({ Principal: aws(names.bob, 'arn:aws:iam::*:root') }),
    'Statement[0].Principal.AWS[1]',
    /without wildcards/,
  ],
  [
    but({ Principal: aws(`arn:aws:iam::${account}:user/*`) }),
    'Statement[0].Principal.AWS',
    /without wildcards/,
  ],
  [
    but({ Principal: aws(`arn:aws:sts::${account}:assumed-role/App/*`) }),
    'Statement[0].Principal.AWS',
    /not a principal/,
  ],
  [
    but({ Principal: aws(`arn:aws:iam::${account}:group/admins`) }),
    'Statement[0].Principal.AWS',
    /not a principal/,
  ],
  [
    but({ Principal: aws(`arn:aws:sts::${account}:federated-user/bob`) }),
    'Statement[0].Principal.AWS',
    /not a principal/,
  ],
  [but({ Principal: aws('AIDAALICE') }), 'Statement[0].Principal.AWS', /not a principal/],
  [
    but({ Principal: { Federated: 'accounts.google.com' } }),
    'Statement[0].Principal.Federated',
    /no such principals/,
  ],
  [but({ Principal: { CanonicalUser: 'x' } }), 'Statement[0].Principal.CanonicalUser', /no such principals/],
  [but({ Principal: { Service: 'logs' } }), 'Statement[0].Principal.Service', /service principal/],
  [condition('x'), 'Statement[0].Condition', /object/],
  [condition({ Bool: 'x' }), 'Statement[0].Condition.Bool', /object/],
  [value('StringEqual', 'x'), 'Statement[0].Condition.StringEqual', /no condition operator/],
  [value('stringEquals', 'x'), 'Statement[0].Condition.stringEquals', /no condition operator/],
  [value('constructor', 'x'), 'Statement[0].Condition.constructor', /no condition operator/],
  [
    value('ForSomeValues:StringEquals', 'x'),
    'Statement[0].Condition.ForSomeValues:StringEquals',
    /no condition operator/,
  ],
  [
    value('StringEqualsIfExistsIfExists', 'x'),
    'Statement[0].Condition.StringEqualsIfExistsIfExists',
    /no condition operator/,
  ],
  [value('NullIfExists', true), 'Statement[0].Condition.NullIfExists', /neither IfExists nor/],
  [value('ForAnyValue:Null', true), 'Statement[0].Condition.ForAnyValue:Null', /neither IfExists nor/],
  [
    condition({ Bool: { SecureTransport: 'true' } }),
    'Statement[0].Condition.Bool.SecureTransport',
    /begin with a service/,
  ],
  [condition({ Bool: { 'aws:': 'true' } }), 'Statement[0].Condition.Bool.aws:', /begin with a service/],
  [value('StringEquals', null), at('StringEquals'), /string, a number or a Boolean/],
  [value('StringEquals', ['x', {}]), `${at('StringEquals')}[1]`, /string, a number or a Boolean/],
  [value('NumericEquals', 'ten'), at('NumericEquals'), /not a number/],
  [value('NumericLessThan', ['1', '']), `${at('NumericLessThan')}[1]`, /not a number/],
  [value('NumericEquals', '${aws:EpochTime}'), at('NumericEquals'), /not a number/],
  [value('DateLessThan', 'tomorrow'), at('DateLessThan'), /not a date/],
  [value('DateLessThan', '2030-13-01'), at('DateLessThan'), /not a date/],
  [value('DateLessThan', '2030-01-01*'), at('DateLessThan'), /not a date/],
  [value('Bool', 'yes'), at('Bool'), /not a Boolean/],
  [value('Null', 'x'), at('Null'), /true or false/],
  [value('BinaryEquals', 'a'), at('BinaryEquals'), /base64/],
  [value('IpAddress', '10.0.0.0/33'), at('IpAddress'), /not an IP address/],
  [value('IpAddress', '10.0.0'), at('IpAddress'), /not an IP address/],
  [value('IpAddress', '10.*'), at('IpAddress'), /not an IP address/],
  [value('NotIpAddress', ['10.0.0.1', '::1/129']), `${at('NotIpAddress')}[1]`, /not an IP address/],
  [value('ArnLike', 'arn:aws:iam'), at('ArnLike'), /six parts/],
  [value('StringLike', '${aws:username'), at('StringLike'), /closing brace/],
  [value('StringLike', 'x${}'), at('StringLike'), /not a policy variable/],
  [value('StringLike', '${username}'), at('StringLike'), /not a policy variable/],
  [value('StringLike', '${aws:username, x}'), at('StringLike'), /not a policy variable/],
  [value('StringLike', "${aws:username, 'x}"), at('StringLike'), /not a policy variable/],
  [
    condition({ 'ForAllValues:StringEquals': { 'kms:EncryptionContext:App': 'x' } }),
    'Statement[0].Condition.ForAllValues:StringEquals.kms:EncryptionContext:App',
    /Remove ForAllValues/,
  ],
];

export const identityPolicies: readonly Malformed[] = [
  [but({ Principal: '*' }, everything), 'Statement[0].Principal', /no principal/],
  [but({ NotPrincipal: '*', Effect: 'Deny' }, everything), 'Statement[0].NotPrincipal', /no principal/],
  [but({ Resource: undefined }, everything), 'Statement[0]: It has no Resource', /./],
  [but({ Sid: 'with space' }, everything), 'Statement[0].Sid', /letters and digits/],
  [JSON.stringify({ Id: 'x', Statement: everything }), 'Id', /no Id/],
  [
    JSON.stringify({
      Statement: [
        { ...everything, Sid: 'A' },
        { ...everything, Sid: 'A' },
      ],
    }),
    'Statement[1].Sid',
    /unique/,
  ],
];

const assume = { Effect: 'Allow', Principal: aws(account), Action: 'sts:AssumeRole' };

export const trustPolicies: readonly Malformed[] = [
  [but({ Principal: undefined }, assume), 'Statement[0]: It has no Principal', /./],
  [but({ Resource: '*' }, assume), 'Statement[0].Resource', /cannot have/],
  [but({ NotResource: '*' }, assume), 'Statement[0].NotResource', /cannot have/],
  [but({ NotPrincipal: '*', Effect: 'Deny' }, assume), 'Statement[0].NotPrincipal', /cannot have/],
  [but({ NotAction: 'sts:X' }, assume), 'Statement[0].NotAction', /cannot have/],
  [but({ Action: ['sts:AssumeRole', 'kms:Encrypt'] }, assume), 'Statement[0].Action', /actions of sts/],
  [but({ Action: '*' }, assume), 'Statement[0].Action', /actions of sts/],
];
