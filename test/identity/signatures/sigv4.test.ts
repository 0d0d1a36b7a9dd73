import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import t from 'tap';
import {
  canonicalRequest,
  parseAuthorization,
  sign,
  type SignedRequest,
  signingKey,
  stringToSign,
} from '../../../daemon/identity/signatures/sigv4.js';
import { vectors } from '../../support/paths.js';

const secret = Buffer.from('wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY');

/** Reads a request of the suite; headers may be continued on lines that begin with white space. */
function parseRequest(text: string): SignedRequest {
  const [head = '', body = ''] = text.replaceAll('\r\n', '\n').split('\n\n', 2);
  const [requestLine = '', ...lines] = head.split('\n');
  const rawHeaders: string[] = [];
  for (const line of lines.filter((each) => each !== '')) {
    if (/^\s/.test(line)) {
      rawHeaders[rawHeaders.length - 1] += `\n${line}`;
    } else {
      const colon = line.indexOf(':');
      rawHeaders.push(line.slice(0, colon), line.slice(colon + 1));
    }
  }
  const [, method = '', target = ''] = /^(\S+) (.*) HTTP\/1\.1$/.exec(requestLine) ?? [];
  const payloadHash = createHash('sha256').update(Buffer.from(body, 'latin1')).digest('hex');
  return { method, target, rawHeaders, payloadHash };
}

const folder = vectors('sigv4', 'SIGV4_DIR');

void t.test(
  'the published Signature Version 4 suite',
  { skip: folder ? false : 'SIGV4_DIR is absent' },
  (t) => {
    const cases = readdirSync(folder ?? '.', { recursive: true, encoding: 'utf8' })
      .map((path) => join(folder ?? '', path))
      .filter((path) => existsSync(join(path, `${basename(path)}.sreq`)));
    t.ok(cases.length >= 30, `${cases.length} cases`);
    for (const path of cases) {
      const read = (extension: string) =>
        readFileSync(join(path, `${basename(path)}.${extension}`), 'latin1');
      const authorization = parseAuthorization(read('authz').trim());
      const request = parseRequest(read('sreq'));
      const canonical = canonicalRequest(request, authorization.signedHeaders);
      t.equal(canonical, read('creq').replaceAll('\r\n', '\n'), `${basename(path)}: canonical request`);
      const text = stringToSign('20150830T123600Z', authorization, canonical);
      t.equal(text, read('sts').replaceAll('\r\n', '\n'), `${basename(path)}: string to sign`);
      const { date, region, service } = authorization;
      const signature = sign(signingKey(secret, date, region, service), text).toString('hex');
      t.equal(signature, authorization.signature, `${basename(path)}: signature`);
    }
    t.end();
  },
);

void t.test('a malformed Authorization header is reported as such', (t) => {
  const good =
    'AWS4-HMAC-SHA256 Credential=AK/20150830/us-east-1/kms/aws4_request, SignedHeaders=host, Signature=ab';
  t.match(parseAuthorization(good), { accessKeyId: 'AK', region: 'us-east-1', signedHeaders: ['host'] });
  t.throws(() => parseAuthorization(undefined), { code: 'missing-credential' });
  t.throws(() => parseAuthorization('Basic abc'), { code: 'missing-credential' });
  for (const part of ['Credential', 'SignedHeaders', 'Signature']) {
    const bad = good.replace(`${part}=`, 'Other=');
    t.throws(() => parseAuthorization(bad), {
      code: 'incomplete-signature',
      message: new RegExp(part),
    });
  }
  for (const credential of ['AK/20150830/us-east-1/kms', 'AK/2015/us-east-1/kms/aws4_request', '/////']) {
    const bad = good.replace('AK/20150830/us-east-1/kms/aws4_request', credential);
    t.throws(() => parseAuthorization(bad), { code: 'incomplete-signature' }, credential);
  }
  t.end();
});
