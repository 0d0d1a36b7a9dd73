// Names of condition keys, and several of them: "IAM JSON policy elements: Condition"; KMS Developer Guide, "Case
// sensitivity of the encryption context condition".
import { allow, deny, type Row } from '../world.js';

const when = (Condition: NonNullable<ReturnType<typeof allow>['Condition']>) => [
  allow({ Principal: '*', Condition }),
];
const denyWhen = (Condition: NonNullable<ReturnType<typeof allow>['Condition']>) => [
  deny({ Principal: '*', Condition }),
  allow({ Principal: '*' }),
];
const context = { 'kms:EncryptionContext:AppName': 'Shop', 'kms:EncryptionContextKeys': ['AppName'] };

export const conditionKeys: readonly Row[] = [
  {
    it: 'an encryption context pair',
    who: 'alice',
    key: when({ StringEquals: { 'kms:EncryptionContext:AppName': 'Shop' } }),
    context,
    expect: 'allow key[0]',
  },
  {
    it: "the pair's key is part of the condition key, which is not case-sensitive",
    who: 'alice',
    key: when({ StringEquals: { 'KMS:encryptioncontext:appNAME': 'Shop' } }),
    context,
    expect: 'allow key[0]',
  },
  {
    it: "the pair's value is case-sensitive",
    who: 'alice',
    key: when({ StringEquals: { 'kms:EncryptionContext:AppName': 'shop' } }),
    context,
    expect: 'none key',
  },
  {
    it: 'a deny finds the pair whatever its case',
    who: 'alice',
    key: denyWhen({ StringEquals: { 'kms:EncryptionContext:APPNAME': 'Shop' } }),
    context,
    expect: 'deny key[0]',
  },
  {
    it: 'kms:EncryptionContextKeys is case-sensitive',
    who: 'alice',
    key: when({ 'ForAnyValue:StringEquals': { 'kms:EncryptionContextKeys': 'appname' } }),
    context,
    expect: 'none key',
  },
  {
    it: 'and finds the key as it is written',
    who: 'alice',
    key: when({ 'ForAnyValue:StringEquals': { 'kms:EncryptionContextKeys': 'AppName' } }),
    context,
    expect: 'allow key[0]',
  },
  {
    it: 'both together check case and value',
    who: 'alice',
    key: when({
      'ForAnyValue:StringEquals': { 'kms:EncryptionContextKeys': 'Appname' },
      StringEquals: { 'kms:EncryptionContext:AppName': 'Shop' },
    }),
    context,
    expect: 'none key',
  },
  {
    it: 'another pair does not matter',
    who: 'alice',
    key: when({ StringEquals: { 'kms:EncryptionContext:AppName': 'Shop' } }),
    context: { ...context, 'kms:EncryptionContext:Stage': 'x' },
    expect: 'allow key[0]',
  },
  {
    it: 'no other key than those',
    who: 'alice',
    key: when({ 'ForAllValues:StringEquals': { 'kms:EncryptionContextKeys': ['AppName', 'Stage'] } }),
    context,
    expect: 'allow key[0]',
  },
  {
    it: 'another key than those',
    who: 'alice',
    key: when({ 'ForAllValues:StringEquals': { 'kms:EncryptionContextKeys': ['Stage'] } }),
    context,
    expect: 'none key',
  },
  {
    it: 'no encryption context at all has no other key',
    who: 'alice',
    key: when({ 'ForAllValues:StringEquals': { 'kms:EncryptionContextKeys': ['Stage'] } }),
    expect: 'allow key[0]',
  },
  {
    it: 'an encryption context is required',
    who: 'alice',
    key: when({ Null: { 'kms:EncryptionContextKeys': false } }),
    expect: 'none key',
  },
  {
    it: 'an encryption context is required and there',
    who: 'alice',
    key: when({ Null: { 'kms:EncryptionContextKeys': false } }),
    context,
    expect: 'allow key[0]',
  },
  {
    it: 'two keys of one operator must both match',
    who: 'alice',
    key: when({ StringEquals: { 'kms:EncryptionContext:AppName': 'Shop', 'kms:KeySpec': 'RSA_2048' } }),
    context: { ...context, 'kms:KeySpec': 'SYMMETRIC_DEFAULT' },
    expect: 'none key',
  },
  {
    it: 'two operators must both match',
    who: 'alice',
    key: when({ StringEquals: { 'kms:KeySpec': 'RSA_2048' }, Bool: { 'aws:SecureTransport': 'true' } }),
    context: { 'kms:KeySpec': 'RSA_2048', 'aws:SecureTransport': 'true' },
    expect: 'allow key[0]',
  },
  {
    it: 'two operators, of which one does not',
    who: 'alice',
    key: when({ StringEquals: { 'kms:KeySpec': 'RSA_2048' }, Bool: { 'aws:SecureTransport': 'true' } }),
    context: { 'kms:KeySpec': 'RSA_2048' },
    expect: 'none key',
  },
  {
    it: 'a deny, too, needs all its conditions',
    who: 'alice',
    key: denyWhen({ StringEquals: { 'kms:KeySpec': 'RSA_2048', 'kms:KeyUsage': 'SIGN_VERIFY' } }),
    context: { 'kms:KeySpec': 'RSA_2048' },
    expect: 'allow key[1]',
  },
  { it: 'an empty Condition is true', who: 'alice', key: when({}), expect: 'allow key[0]' },
  {
    it: 'an operator without keys is true',
    who: 'alice',
    key: when({ StringEquals: {} }),
    expect: 'allow key[0]',
  },
  {
    it: 'tag keys are not case-sensitive either',
    who: 'alice',
    key: when({ StringEquals: { 'aws:resourcetag/TEAM': 'red' } }),
    context: { 'aws:ResourceTag/team': 'red' },
    expect: 'allow key[0]',
  },
  {
    it: 'names that differ in case alone: an allow wants all of their values',
    who: 'alice',
    key: when({ StringEquals: { 'aws:RequestTag/team': 'red' } }),
    context: { 'aws:RequestTag/team': ['red', 'blue'] },
    expect: 'none key',
  },
  {
    it: 'and is given where all are the same',
    who: 'alice',
    key: when({ StringEquals: { 'aws:RequestTag/team': 'red' } }),
    context: { 'aws:RequestTag/team': ['red', 'red'] },
    expect: 'allow key[0]',
  },
  {
    it: 'a deny of what differs is not spared by the other value',
    who: 'alice',
    key: denyWhen({ StringNotEquals: { 'aws:RequestTag/team': 'red' } }),
    context: { 'aws:RequestTag/team': ['red', 'blue'] },
    expect: 'deny key[0]',
  },
  {
    it: 'a deny finds either value',
    who: 'alice',
    key: denyWhen({ StringEquals: { 'aws:ResourceTag/team': 'blue' } }),
    context: { 'aws:ResourceTag/team': ['red', 'blue'] },
    expect: 'deny key[0]',
  },
  {
    it: 'so it is with pairs of an encryption context',
    who: 'alice',
    key: when({ StringLike: { 'kms:EncryptionContext:path': 'a/*' } }),
    context: { 'kms:EncryptionContext:path': ['a/1', 'b/1'] },
    expect: 'none key',
  },
  {
    it: 'a set operator says by itself what it wants',
    who: 'alice',
    key: when({ 'ForAnyValue:StringEquals': { 'aws:RequestTag/team': 'red' } }),
    context: { 'aws:RequestTag/team': ['red', 'blue'] },
    expect: 'allow key[0]',
  },
];
