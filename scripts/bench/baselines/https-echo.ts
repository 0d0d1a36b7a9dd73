// Baseline for the AWS endpoint: a bare node:https server that verifies the same signatures and echoes each body, in a
// separate process. Arguments: the files of the certificate, its key, and the credentials. Its message is its port.
import { hash, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import {
  canonicalRequest,
  headerValue,
  parseAuthorization,
  sign,
  signingKey,
  stringToSign,
} from '../../../daemon/identity/signatures/sigv4.js';

const [certificate = '', key = '', secretFile = ''] = process.argv.slice(2);
const secret = /aws_secret_access_key = (\S+)/.exec(readFileSync(secretFile, 'utf8'))?.[1] ?? '';
let day = '';
let daysKey: Buffer = Buffer.alloc(0);

const server = createServer(
  { cert: readFileSync(certificate), key: readFileSync(key) },
  (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks);
      const { method = '', url = '', rawHeaders } = request;
      const authorization = parseAuthorization(headerValue(rawHeaders, 'authorization'));
      const { date, region, service, signedHeaders, signature } = authorization;
      if (date !== day) {
        daysKey = signingKey(Buffer.from(secret), date, region, service);
        day = date;
      }
      const signed = { method, target: url, rawHeaders, payloadHash: hash('sha256', body, 'hex') };
      const text = stringToSign(
        headerValue(rawHeaders, 'x-amz-date'),
        authorization,
        canonicalRequest(signed, signedHeaders),
      );
      const isValid = timingSafeEqual(sign(daysKey, text), Buffer.from(signature, 'hex'));
      response.writeHead(isValid ? 200 : 400, {
        'Content-Type': 'application/x-amz-json-1.1',
        'Content-Length': body.length,
      });
      response.end(body);
    });
  },
);
server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port));
