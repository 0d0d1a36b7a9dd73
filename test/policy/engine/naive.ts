// A second evaluator, which interprets the documents at every request in the plainest way: no compilation, no index, no
// early exit, regular expressions for patterns. It shares no code with the daemon's and exists only to find disagreements.
import { isIPv6 } from 'node:net';
import { bindings, keyArn, lookupIn, principals, type Row, type StatementDocument, textOf } from './world.js';

interface Request {
  readonly who: (typeof principals)[Row['who']];
  readonly action: string;
  readonly resource: string;
  readonly lookup: (key: string) => readonly string[] | undefined;
  readonly hasBoundary: boolean;
  readonly variables: boolean;
  readonly policy: string;
}

type Truth = boolean | 'unknown';

/** Decides a row of the table, in its notation. */
export function naiveDecision(row: Row): string {
  const request = (policy: keyof Row, document: string): Request => ({
    who: principals[row.who],
    action: row.action ?? 'kms:Encrypt',
    resource: row.resource ?? keyArn,
    lookup: lookupIn(row.context),
    hasBoundary: row.boundary !== undefined,
    variables: (JSON.parse(document) as { Version?: string }).Version === '2012-10-17',
    policy,
  });
  const matching = (policy: 'key' | 'trust' | 'identity' | 'boundary' | 'session', effect: string) => {
    const document = row[policy];
    if (document === undefined) return [];
    const text = textOf(document);
    const { Statement } = JSON.parse(text) as { Statement: StatementDocument | StatementDocument[] };
    return [Statement]
      .flat()
      .map((statement, index) => ({ statement, index, policy, how: '' }))
      .filter(({ statement }) => statement.Effect === effect)
      .map((found) => ({ ...found, how: howItMatches(found.statement, request(policy, text)) }))
      .filter(({ how }) => how !== 'not');
  };
  const show = (verb: string, { policy, index }: { policy: string; index: number }) =>
    `${verb} ${policy}[${index}]`;

  for (const policy of ['key', 'trust', 'identity', 'boundary', 'session'] as const)
    for (const denial of matching(policy, 'Deny')) return show('deny', denial);

  const who = principals[row.who];
  const limit =
    row.boundary && matching('boundary', 'Allow').length === 0
      ? 'none boundary'
      : row.session && matching('session', 'Allow').length === 0
        ? 'none session'
        : undefined;
  const identity = matching('identity', 'Allow')[0];
  const granted = (id: string) => row.grants?.includes(id) ?? false;
  const isGranted =
    (who.type === 'Root' && granted(who.account)) ||
    (who.type === 'IAMUser' && granted(who.id)) ||
    (who.type === 'AssumedRole' && (granted(who.id) || (granted(who.roleId) && !limit)));

  const ownSource = row.key ? 'key' : row.trust ? 'trust' : undefined;
  let refusal: string;
  if (ownSource) {
    const allows = matching(ownSource, 'Allow');
    const by = (how: string) => allows.find((found) => found.how === how);
    const own = by('own');
    if (own) return show('allow', own);
    const role = by('role');
    if (role && !limit) return show('allow', role);
    const account = by('account');
    if (!role && account && identity && !limit) return show('allow', identity);
    refusal = role ? limit! : !account ? `none ${ownSource}` : !identity ? 'none identity' : limit!;
  } else {
    if (who.type === 'Root') return 'allow root';
    if (identity && !limit) return show('allow', identity);
    refusal = identity ? limit! : 'none identity';
  }
  return isGranted ? 'allow grant' : refusal;
}

function howItMatches(statement: StatementDocument, request: Request): string {
  if (!matchesAction(statement, request.action)) return 'not';
  if (!matchesResource(statement, request)) return 'not';
  const conditions = Object.entries(statement.Condition ?? {}).flatMap(([operator, keys]) =>
    Object.entries(keys).map(([key, values]) => matchesCondition(operator, key, values, statement, request)),
  );
  if (conditions.includes(false)) return 'not';
  return howItMeans(statement, request);
}

function howItMeans({ Principal, NotPrincipal, Effect }: StatementDocument, request: Request): string {
  const { who } = request;
  const listed = (element: unknown) => {
    if (element === '*') return ['*'];
    const { AWS = [], Service = [] } = element as { AWS?: string | string[]; Service?: string | string[] };
    return [AWS, Service]
      .flat(2)
      .map((name) => (/^[0-9]{12}$/.test(name) ? `arn:aws:iam::${name}:root` : name));
  };
  const isListed = (list: string[], id: string) =>
    list.some((name) => {
      const bound = bindings[name];
      const session = /assumed-role\/.*\/(.*)$/.exec(name);
      return name === id || (bound !== undefined && (session ? `${bound}:${session[1]}` : bound) === id);
    });
  const ownId = who.type === 'Root' || who.type === 'AWSService' ? who.arn : who.id;
  if (NotPrincipal !== undefined) {
    const list = listed(NotPrincipal);
    const chain = [ownId];
    if (who.type === 'AssumedRole') chain.push(who.roleId);
    if (who.type !== 'AWSService') chain.push(`arn:aws:iam::${who.account}:root`);
    const isSpared = list.includes('*') || chain.every((id) => isListed(list, id));
    return isSpared && !request.hasBoundary ? 'not' : 'own';
  }
  if (Principal === undefined) return 'own';
  const list = listed(Principal);
  if (list.includes('*') || isListed(list, ownId)) return 'own';
  if (who.type === 'AssumedRole' && isListed(list, who.roleId)) return 'role';
  if (who.type === 'AWSService' || !list.includes(`arn:aws:iam::${who.account}:root`)) return 'not';
  return Effect === 'Deny' ? 'own' : 'account';
}

function matchesAction({ Action, NotAction }: StatementDocument, action: string): boolean {
  const list = [Action ?? NotAction].flat() as string[];
  const isListed = list.some((pattern) => regularExpression(pattern, 'i').test(action));
  return Action === undefined ? !isListed : isListed;
}

function matchesResource(statement: StatementDocument, request: Request): boolean {
  const { Resource, NotResource, Effect } = statement;
  if (Resource === undefined && NotResource === undefined) return request.policy === 'trust';
  const results = ([Resource ?? NotResource].flat() as string[]).map((pattern) =>
    matchesArn(pattern, request.resource, request),
  );
  const isListed = results.includes(true) ? true : results.includes('unknown') ? 'unknown' : false;
  if (Resource !== undefined) return isListed === true;
  return isListed === 'unknown' ? Effect === 'Deny' : !isListed;
}

/** Wildcards become private characters and variables their values, so that what is left is literal. */
function substitute(text: string, { variables, lookup }: Request): string | undefined {
  const wild = (part: string) => part.replaceAll('*', '\ue000').replaceAll('?', '\ue001');
  if (!variables) return wild(text);
  let isUnknown = false;
  const parts = text.split(/(\$\{.*?\})/).map((part) => {
    const inner = /^\$\{(.*)\}$/.exec(part)?.[1];
    if (inner === undefined) return wild(part);
    if (['*', '?', '$'].includes(inner)) return inner;
    const [key, fallback] = inner.split(',');
    const values = lookup(key!.toLowerCase()) ?? [];
    if (values.length === 1) return values[0]!;
    const text = fallback?.trim().slice(1, -1);
    if (values.length > 1 || text === undefined) isUnknown = true;
    return text;
  });
  return isUnknown ? undefined : parts.join('');
}

function regularExpression(pattern: string, flags = ''): RegExp {
  const source = pattern
    .replace(/[\\^$.|+()[\]{}/-]/g, '\\$&')
    .replace(/[*\ue000]/g, '[^]*')
    .replace(/[?\ue001]/g, '[^]');
  return new RegExp(`^(?:${source})$`, flags);
}

/** As `regularExpression`, where plain `*` and `?` are literal. */
function wildExpression(substituted: string): RegExp {
  const source = substituted
    .replace(/[\\^$.|+()[\]{}/*?-]/g, '\\$&')
    .replaceAll('\ue000', '[^]*')
    .replaceAll('\ue001', '[^]');
  return new RegExp(`^(?:${source})$`);
}

function matchesArn(pattern: string, arn: string, request: Request): Truth {
  if (pattern === '*') return true;
  const text = substitute(pattern, request);
  if (text === undefined) return 'unknown';
  const six = (whole: string) => {
    const parts = whole.split(':');
    return [...parts.slice(0, 5), parts.slice(5).join(':')];
  };
  if (text.split(':').length < 6 || arn.split(':').length < 6) return false;
  return six(text).every((part, index) => wildExpression(part).test(six(arn)[index]!));
}

function matchesCondition(
  operator: string,
  key: string,
  given: unknown,
  { Effect }: StatementDocument,
  request: Request,
): boolean {
  const expected = [given].flat().map(String);
  const actual = request.lookup(key.toLowerCase()) ?? [];
  if (operator === 'Null')
    return expected.some((text) => (text.toLowerCase() === 'true') === (actual.length === 0));
  const ifExists = operator.endsWith('IfExists');
  const set = /^(ForAllValues|ForAnyValue):/.exec(operator)?.[1];
  const name = operator.replace(/^.*:/, '').replace(/IfExists$/, '');
  const isNegated = name.includes('Not');
  const positive = name.replace('Not', '');
  const isEmpty = actual.length === 0 || (set !== undefined && actual.join('') === '' && actual.length === 1);
  if (isEmpty) {
    if (ifExists || set === 'ForAllValues') return true;
    return set === undefined && isNegated;
  }
  const results = actual.map((value) => {
    const truths = expected.map((text) => compare(positive, value, text, request));
    if (truths.includes(true)) return !isNegated;
    if (truths.includes('unknown')) return isNegated && Effect === 'Deny';
    return isNegated;
  });
  const all = !results.includes(false);
  const any = results.includes(true);
  if (set !== undefined) return set === 'ForAllValues' ? all : any;
  // Where names differ only in case, one matching value alone must not allow a request.
  if (/^(kms:EncryptionContext:|(aws|iam):ResourceTag\/|aws:RequestTag\/)/i.test(key))
    return Effect === 'Allow' ? all : any;
  return isNegated ? all : any;
}

function compare(operator: string, actual: string, expected: string, request: Request): Truth {
  if (operator.startsWith('Arn')) return matchesArn(expected, actual, request);
  if (operator.startsWith('String')) {
    const text = substitute(expected, request);
    if (text === undefined) return 'unknown';
    const literal = text.replaceAll('\ue000', '*').replaceAll('\ue001', '?');
    if (operator === 'StringEquals') return literal === actual;
    if (operator === 'StringEqualsIgnoreCase') return literal.toLowerCase() === actual.toLowerCase();
    return wildExpression(text).test(actual);
  }
  if (operator === 'IpAddress') return isInRange(actual, expected);
  if (operator === 'Bool')
    return actual.toLowerCase() === expected.toLowerCase() && /^(true|false)$/i.test(actual);
  if (operator === 'BinaryEquals')
    return Buffer.from(actual, 'base64').toString('hex') === Buffer.from(expected, 'base64').toString('hex');
  const read = (text: string) =>
    text === ''
      ? NaN
      : operator.startsWith('Numeric') || (/^[0-9.]+$/.test(text) && text.length !== 4)
        ? Number(text) * (operator.startsWith('Date') ? 1000 : 1)
        : Date.parse(text);
  const [a, e] = [read(actual), read(expected)];
  if (Number.isNaN(a)) return false;
  const relation = operator.replace(/^(Numeric|Date)/, '');
  if (relation === 'Equals') return a === e;
  if (relation.endsWith('Equals') && a === e) return true;
  return relation.startsWith('LessThan') ? a < e : a > e;
}

function isInRange(actual: string, range: string): boolean {
  const bits = (text: string): string | undefined => {
    if (/^[0-9]+(\.[0-9]+){3}$/.test(text))
      return text
        .split('.')
        .map((part) => Number(part).toString(2).padStart(8, '0'))
        .join('');
    if (!isIPv6(text)) return undefined;
    const mapped = /^::ffff:([0-9.]+)$/i.exec(text);
    if (mapped) return bits(mapped[1]!);
    const [head = '', tail] = text.split('::');
    const left = head.split(':').filter(Boolean);
    const right = (tail ?? '').split(':').filter(Boolean);
    const middle = Array<string>(8 - left.length - right.length).fill('0');
    return [...left, ...middle, ...right]
      .map((part) => parseInt(part, 16).toString(2).padStart(16, '0'))
      .join('');
  };
  const [network = '', prefix] = range.split('/');
  const [a, n] = [bits(actual), bits(network)];
  if (a?.length !== n?.length || !a || !n) return false;
  const length = prefix === undefined ? n.length : Number(prefix);
  return a.slice(0, length) === n.slice(0, length);
}
