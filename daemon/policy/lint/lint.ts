// Finds errors and probable mistakes in policy documents.
import { longestMessage, shown } from '../../../proto/text.js';
import {
  checkCost,
  compileIdentityPolicy,
  compileKeyPolicy,
  compileTrustPolicy,
  type Policy,
} from '../language/document.js';
import { PolicyError } from '../errors.js';
import { type PolicyKind, readPolicy } from '../language/kinds.js';
import { Pattern } from '../language/patterns.js';
import { DocumentPath, quote } from '../language/document-path.js';
import { type RawDocument, type RawStatement, readDocument } from '../language/schema.js';
import { isKnownKey, knownActions, multivaluedKeys, services } from './vocabulary.js';

/** A finding. */
export interface Finding {
  /** With an `error` the policy would be refused. */
  readonly severity: 'error' | 'warning';
  /** The path, if it is known, and the fault. */
  readonly message: string;
}

type Report = (at: DocumentPath, what: string) => void;

/**
 * Checks a policy document without a daemon, so that it cannot check whether principals exist.
 * @param kind default: guessed; a trust policy if it has principals and only sts actions, a key policy if it has principals
 */
export function lintPolicy(text: string, kind?: PolicyKind): Finding[] {
  const findings: Finding[] = [];
  try {
    const chosen = kind ?? guessKind(readDocument(text));
    checkCost(compilers[chosen](text));
    const report: Report = (at, what) =>
      findings.push({ severity: 'warning', message: at.path === '' ? what : `${at.path}: ${what}` });
    const document = readPolicy(chosen, text);
    for (const { raw, at } of document.statements) lintStatement(raw, at, chosen, report);
    lintDocument(document, text, report);
  } catch (error) {
    if (!(error instanceof PolicyError)) throw error;
    findings.push({ severity: 'error', message: shown(error.message, longestMessage) });
  }
  return findings;
}

const compilers: Readonly<Record<PolicyKind, (text: string) => Policy>> = {
  key: (text) => compileKeyPolicy(text, {}),
  identity: (text) => compileIdentityPolicy(text, ''),
  trust: (text) => compileTrustPolicy(text, {}),
};

function guessKind({ statements }: RawDocument): PolicyKind {
  if (!statements.some(({ raw }) => raw.Principal ?? raw.NotPrincipal)) return 'identity';
  const actions = statements.flatMap(({ raw }) => raw.Action ?? raw.NotAction ?? []);
  return actions.length > 0 && actions.every((action) => /^sts:/i.test(action)) ? 'trust' : 'key';
}

function lintDocument({ at, version, statements }: RawDocument, text: string, report: Report): void {
  if (version === '2008-10-17' && text.includes('${'))
    report(at, 'Variables such as ${aws:username} are plain text here: set "Version" to "2012-10-17".');
  const sids = new Set<string>();
  for (const { raw, at: statement } of statements) {
    if (raw.Sid && sids.has(raw.Sid)) report(statement.member('Sid'), 'Another statement has the same one.');
    sids.add(raw.Sid ?? '');
  }
}

function lintStatement(raw: RawStatement, at: DocumentPath, kind: PolicyKind, report: Report): void {
  lintActions(raw, at, report);
  if (kind === 'key') lintKeyStatement(raw, at, report);
  if (raw.NotPrincipal) lintNotPrincipal(raw.NotPrincipal.AWS ?? [], at.member('NotPrincipal'), report);
  const conditions = Object.entries(raw.Condition ?? {}).flatMap(([operator, keys]) =>
    Object.entries(keys).map(([key, values]) => ({ operator, key, values })),
  );
  for (const { operator, key, values } of conditions)
    lintCondition(
      operator,
      key,
      values,
      raw.Effect,
      at.member('Condition').member(operator).member(key),
      report,
    );
  const absent = conditions.filter(({ operator, values }) => operator === 'Null' && values.every(isTrue));
  for (const { key } of absent) {
    const needed = conditions.some(
      (other) => other.operator !== 'Null' && sameKey(other.key, key) && needsValue(other.operator),
    );
    if (needed) report(at, `It never applies: ${quote(key)} must be missing and have a value.`);
  }
}

const isTrue = (value: string) => value.toLowerCase() === 'true';
const sameKey = (one: string, other: string) => one.toLowerCase() === other.toLowerCase();
const needsValue = (operator: string) => !/Not|IfExists$|^ForAllValues:/.test(operator);

function lintActions(raw: RawStatement, at: DocumentPath, report: Report): void {
  const name = raw.Action ? 'Action' : 'NotAction';
  const actions = raw[name] ?? [];
  for (const [index, action] of actions.entries()) {
    const place = actions.length === 1 ? at.member(name) : at.member(name).item(index);
    const [service = ''] = action.toLowerCase().split(':');
    if (service !== '*' && !services.has(service))
      report(place, `${quote(action)} belongs to a service that does not exist here.`);
    else if (service !== 'keyhold' && !isKnownAction(action, place))
      report(place, `${quote(action)} does not match any action.`);
  }
}

function isKnownAction(action: string, at: DocumentPath): boolean {
  const options = { wildcards: true, variables: false, ignoreCase: true };
  const pattern = Pattern.parse(action, options, at);
  return knownActions.some((known) => pattern.matches(known, () => undefined));
}

function lintKeyStatement(raw: RawStatement, at: DocumentPath, report: Report): void {
  if (!raw.Action && !raw.NotAction)
    report(at, 'It has no Action, so it has no effect. Name the actions, such as "kms:Decrypt".');
  if (!raw.Resource && !raw.NotResource)
    report(at, 'It has no Resource, so it has no effect. Set it to "*".');
  const resources = raw.Resource ?? ['*'];
  if (!resources.some((resource) => resource === '*' || /^arn:[^:]*:kms:[^:]*:[^:]*:(key|\*)/.test(resource)))
    report(
      at.member('Resource'),
      'It never applies: in a key policy the resource is the key. Set it to "*".',
    );
  const everybody = raw.Principal?.AWS?.includes('*') ?? false;
  if (raw.Effect === 'Allow' && everybody && Object.keys(raw.Condition ?? {}).length === 0)
    report(at.member('Principal'), 'It allows everybody, without a condition.');
}

function lintNotPrincipal(names: readonly string[], at: DocumentPath, report: Report): void {
  if (names.includes('*')) report(at, 'It never applies: everybody is exempt.');
  else if (!names.some((name) => /^[0-9]{12}$|:root$/.test(name)))
    report(at, 'It exempts nobody, unless the account is named too.');
}

function lintCondition(
  operator: string,
  key: string,
  values: readonly string[],
  effect: 'Allow' | 'Deny',
  at: DocumentPath,
  report: Report,
): void {
  const known = key.toLowerCase();
  if (!isKnownKey(known)) report(at, 'There is no such condition key here, so it never has a value.');
  if (values.length === 0 && needsValue(operator) && operator !== 'Null')
    report(at, 'It never applies: there is no value to match.');
  if (operator === 'Null' || !isKnownKey(known)) return;
  const set = /^(ForAllValues|ForAnyValue):/.exec(operator)?.[1];
  if (multivaluedKeys.has(known) && set === undefined)
    report(at, 'This key has several values: use ForAllValues or ForAnyValue.');
  if (!multivaluedKeys.has(known) && set !== undefined)
    report(at, `This key has one value: leave out ${set}.`);
  if (set === 'ForAllValues' && effect === 'Allow')
    report(at, 'It also allows requests without this key. Add "Null" with "false" if they should not be.');
}
