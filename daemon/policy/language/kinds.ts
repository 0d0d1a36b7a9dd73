// The kinds of policy documents and the rules for each.
import { PolicyError } from '../errors.js';
import type { DocumentPath } from './document-path.js';
import { type RawDocument, type RawStatement, readDocument } from './schema.js';

/** A kind of policy document. */
export type PolicyKind = 'key' | 'identity' | 'trust';

interface Kind {
  /** Its name in `AccessDeniedException`. */
  readonly title: string;
  readonly limit: { readonly most: number; readonly unit: string; readonly of: (text: string) => number };
  readonly check: (raw: RawStatement, at: DocumentPath) => void;
  /** IAM allows no Id in identity policies, and requires a unique, alphanumeric Sid. KMS accepts any. */
  readonly allowsId: boolean;
  readonly hasStrictSids: boolean;
}

const characters = {
  unit: 'characters that are not white space',
  of: (text: string) => text.replace(/\s/g, '').length,
};

/** The kinds by name. */
export const kinds: Readonly<Record<PolicyKind, Kind>> = {
  key: {
    title: 'resource-based policy',
    limit: { most: 32_768, unit: 'bytes', of: (text) => Buffer.byteLength(text) },
    check: checkKeyStatement,
    allowsId: true,
    hasStrictSids: false,
  },
  identity: {
    title: 'identity-based policy',
    limit: { most: 6_144, ...characters },
    check: checkIdentityStatement,
    allowsId: false,
    hasStrictSids: true,
  },
  trust: {
    title: 'role trust policy',
    limit: { most: 2_048, ...characters },
    check: checkTrustStatement,
    allowsId: true,
    hasStrictSids: true,
  },
};

/**
 * Parses a document and checks it by the rules of its kind, except for values that are checked when they are compiled.
 * @throws PolicyError (malformed-policy); (limit-exceeded) if it is too long
 */
export function readPolicy(kind: PolicyKind, text: string): RawDocument {
  const { limit, check, allowsId, hasStrictSids } = kinds[kind];
  const size = limit.of(text);
  if (size > limit.most) {
    throw new PolicyError(
      'limit-exceeded',
      `The policy document has ${size} ${limit.unit}; ${limit.most} are allowed.`,
    );
  }
  const document = readDocument(text);
  if (document.id !== undefined && !allowsId) document.at.member('Id').fail('An identity policy has no Id.');
  const sids = new Set<string>();
  for (const { raw, at } of document.statements) {
    check(raw, at);
    if (hasStrictSids) checkSid(raw.Sid, sids, at.member('Sid'));
  }
  return document;
}

function checkSid(sid: string | undefined, sids: Set<string>, at: DocumentPath): void {
  if (!sid) return;
  if (!/^[A-Za-z0-9]+$/.test(sid)) at.fail('It must consist of letters and digits.');
  if (sids.has(sid)) at.fail('Another statement has the same one. Statement IDs must be unique in a policy.');
  sids.add(sid);
}

function checkKeyStatement(raw: RawStatement, at: DocumentPath): void {
  if (raw.Principal && raw.NotPrincipal) at.fail('It has both Principal and NotPrincipal.');
  if (!raw.Principal && !raw.NotPrincipal)
    at.fail('It has no Principal. A statement of a key policy must name one.');
  if (raw.NotPrincipal && raw.Effect === 'Allow')
    at.member('NotPrincipal').fail('It can only be used with "Effect": "Deny".');
  for (const [operator, keys] of Object.entries(raw.Condition ?? {})) {
    const key = Object.keys(keys).find((name) => /^kms:EncryptionContext:/i.test(name));
    if (key === undefined || !operator.startsWith('ForAllValues:')) continue;
    // KMS refuses it too ("OverlyPermissiveCondition:EncryptionContext").
    at.member('Condition')
      .member(operator)
      .member(key)
      .fail(
        'ForAllValues with a single-valued condition key matches requests without the specified encryption context or ' +
          'with an unspecified one. Remove ForAllValues.',
      );
  }
}

function checkIdentityStatement(raw: RawStatement, at: DocumentPath): void {
  for (const name of ['Principal', 'NotPrincipal'] as const)
    if (raw[name])
      at.member(name).fail(
        'An identity policy has no principal element: it applies to those it is attached to.',
      );
  if (!raw.Resource && !raw.NotResource) at.fail('It has no Resource.');
}

function checkTrustStatement(raw: RawStatement, at: DocumentPath): void {
  if (!raw.Principal) at.fail('It has no Principal. A trust policy says who may assume the role.');
  for (const name of ['NotPrincipal', 'Resource', 'NotResource', 'NotAction'] as const)
    if (raw[name]) at.member(name).fail('A trust policy cannot have it.');
  if (raw.Action?.some((action) => !/^sts:/i.test(action)))
    at.member('Action').fail('A trust policy may only name actions of sts, such as "sts:AssumeRole".');
}
