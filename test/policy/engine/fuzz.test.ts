// For any text the parser throws only its own errors, and every document that compiles can be evaluated.
import * as fc from 'fast-check';
import t from 'tap';
import { decide } from '../../../daemon/policy/engine/decide.js';
import {
  compileIdentityPolicy,
  compileKeyPolicy,
  compileTrustPolicy,
  type Policy,
} from '../../../daemon/policy/language/document.js';
import { parseJson } from '../../../daemon/policy/language/json.js';
import { accessDenied, explain } from '../../../daemon/policy/engine/messages.js';
import { operators } from '../../../daemon/policy/language/operators.js';
import { PolicyError } from '../../../daemon/policy/errors.js';
import { account, bindings, keyArn, names, principals, type Who } from './world.js';

function compiled(work: () => Policy): Policy | undefined {
  try {
    return work();
  } catch (error) {
    if (error instanceof PolicyError && error.code === 'malformed-policy') return undefined;
    if (error instanceof PolicyError && error.code === 'limit-exceeded') return undefined;
    throw error;
  }
}

let evaluated = 0;

function compileAndEvaluate(text: string, values: readonly string[]): void {
  const policies = [
    compiled(() => compileKeyPolicy(text, bindings)),
    compiled(() => compileIdentityPolicy(text, 'p')),
    compiled(() => compileTrustPolicy(text, bindings)),
  ];
  for (const policy of policies) {
    if (!policy) continue;
    evaluated++;
    for (const who of Object.keys(principals) as Who[]) {
      const request = {
        principal: principals[who],
        action: 'sts:AssumeRole',
        resource: keyArn,
        context: () => (values.length === 3 ? undefined : values),
      };
      const decision =
        policy.kind === 'identity'
          ? decide(request, { resource: undefined, identity: [policy], boundary: policy, session: [policy] })
          : decide(request, { resource: policy, identity: [] });
      explain(decision, String);
      if (!decision.allowed) accessDenied(request, decision);
    }
  }
}

const nearlyPolicies = (() => {
  const text = fc.oneof(
    fc.string({ maxLength: 8 }),
    fc.string({ unit: 'binary', maxLength: 4 }),
    fc.constantFrom('*', '', 'kms:*', 'sts:AssumeRole', keyArn, account, ...Object.values(names)),
    fc.constantFrom(
      '${aws:username}',
      "${aws:username, 'x'}",
      '${*}',
      '${',
      '10.0.0.0/8',
      '2030-01-01',
      '10',
      'true',
      'QQ==',
    ),
  );
  const scalar = fc.oneof(
    { weight: 8, arbitrary: text },
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
    fc.double(),
  );
  const list = fc.oneof(scalar, fc.array(scalar, { maxLength: 3 }));
  const operator = fc
    .tuple(
      fc.constantFrom('', 'ForAllValues:', 'ForAnyValue:'),
      fc.constantFrom(...operators.keys(), 'Null', 'x'),
      fc.constantFrom('', 'IfExists'),
    )
    .map((parts) => parts.join(''));
  const key = fc.oneof(
    fc.constantFrom('kms:KeySpec', 'aws:SourceIp', 'kms:EncryptionContext:x', 'constructor', '__proto__'),
    text,
  );
  const condition = fc.dictionary(operator, fc.oneof(fc.dictionary(key, list, { maxKeys: 2 }), list), {
    maxKeys: 2,
  });
  const principal = fc.oneof(
    fc.dictionary(fc.constantFrom('AWS', 'Service', 'Federated', 'x'), list, { maxKeys: 2 }),
    list,
  );
  /** Mostly a valid element, so that some documents compile. */
  const element = (good: object, names: readonly string[], value: fc.Arbitrary<unknown>) =>
    fc.oneof(
      { weight: 6, arbitrary: fc.constant(good) },
      fc.tuple(fc.constantFrom(...names), value).map(([name, given]) => ({ [name]: given })),
      fc.constant({}),
    );
  const statement = fc
    .tuple(
      element({ Effect: 'Deny' }, ['Effect', 'effect'], fc.constantFrom('Allow', 'x')),
      element({ Action: ['sts:AssumeRole'] }, ['Action', 'NotAction'], list),
      fc.oneof(fc.constant({}), element({ Resource: '*' }, ['Resource', 'NotResource'], list)),
      fc.oneof(fc.constant({}), element({ Principal: '*' }, ['Principal', 'NotPrincipal'], principal)),
      fc.oneof(
        fc.constant({}),
        condition.map((Condition) => ({ Condition })),
      ),
      element({}, ['Sid', 'Condition', 'x'], list),
    )
    .map((elements) => Object.assign({}, ...elements) as object);
  const statements = fc.oneof(statement, fc.array(statement, { maxLength: 3 }));
  return fc.tuple(statements, fc.boolean()).map(([Statement, isNew]) => ({
    ...(isNew && { Version: '2012-10-17' }),
    Statement,
  }));
})();

const contextValues = fc.array(fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.ipV4(), fc.ipV6()), {
  maxLength: 3,
});

void t.test('texts, JSON and near-valid policies are refused, or compile and can be evaluated', (t) => {
  const json = fc.json();
  const policy = nearlyPolicies.map((document) => JSON.stringify(document));
  /** A document with a few characters changed. */
  const damaged = fc
    .tuple(policy, fc.nat(), fc.nat({ max: 3 }), fc.string({ maxLength: 3 }))
    .map(([text, at, length, inserted]) => {
      const start = at % text.length;
      return text.slice(0, start) + inserted + text.slice(start + length);
    });
  const texts = fc.oneof(fc.string(), fc.string({ unit: 'binary' }), json, damaged, {
    weight: 6,
    arbitrary: policy,
  });
  fc.assert(fc.property(texts, contextValues, compileAndEvaluate), { numRuns: 3_000 });
  t.ok(evaluated > 50, `${evaluated} policies were evaluated`);
  t.end();
});

void t.test('the parser agrees with JSON.parse, except about repeated names', (t) => {
  const latin = /^[\t\n\r\u0020-\u00ff]*$/;
  const parse = (work: () => unknown) => {
    try {
      return { value: work() };
    } catch {
      return undefined;
    }
  };
  const agrees = (text: string) => {
    const expected = parse(() => JSON.parse(text));
    const actual = parse(() => parseJson(text));
    if (!expected) return actual === undefined;
    if (!latin.test(text) || JSON.stringify(expected.value).includes('"__proto__"')) return true;
    return JSON.stringify(actual) === JSON.stringify(expected);
  };
  const edited = fc
    .tuple(fc.json({ maxDepth: 4 }), fc.nat(), fc.constantFrom(...'{}[]",:\\0e.-+ tfn'))
    .map(([text, at, character]) => {
      const start = at % text.length;
      return text.slice(0, start) + character + text.slice(start + 1);
    });
  fc.assert(fc.property(fc.json({ maxDepth: 4 }), agrees), { numRuns: 500 });
  fc.assert(
    fc.property(edited, (text) => {
      // An edit can make two names equal, which JSON.parse accepts.
      const actual = parse(() => parseJson(text));
      return actual === undefined || agrees(text);
    }),
    { numRuns: 3_000 },
  );
  t.end();
});
