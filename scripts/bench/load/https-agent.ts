// A client of the AWS endpoint with little overhead: requests over persistent connections, signed as by an SDK.
import { createHash, createHmac } from 'node:crypto';
import { Agent, request } from 'node:https';
import type { Call } from './load.js';

/** The access key and Region that sign requests. */
export interface Signer {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly region: string;
}

/** A persistent connection to an endpoint. */
export class AwsConnection {
  readonly #agent: Agent;

  constructor(
    private readonly url: URL,
    private readonly signer: Signer,
    ca: Buffer,
  ) {
    this.#agent = new Agent({ ca, keepAlive: true, maxSockets: 1 });
  }

  /** Returns a call that sends a request. @param body JSON */
  call(operation: string, body: string): Call {
    return () => this.send(operation, body);
  }

  /** Signs and sends a request. @param body JSON @returns the body of the reply @throws Error if the status is not 200 */
  send(operation: string, body: string): Promise<string> {
    const headers = sign(this.url.host, operation, body, this.signer);
    return new Promise((resolve, reject) => {
      const sent = request(this.url, { method: 'POST', agent: this.#agent, headers }, (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => (text += chunk));
        response.on('end', () => {
          if (response.statusCode === 200) resolve(text);
          else reject(new Error(`${operation}: ${response.statusCode} ${text}`));
        });
      });
      sent.on('error', reject);
      sent.end(body);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}

const signedHeaders = 'content-type;host;x-amz-date;x-amz-target';
const contentType = 'application/x-amz-json-1.1';
const keys = new Map<string, Buffer>();

function sign(host: string, operation: string, body: string, signer: Signer): Record<string, string> {
  const time = new Date().toISOString().replace(/[-:]|\.\d+/g, '');
  const date = time.slice(0, 8);
  const target = `TrentService.${operation}`;
  const scope = `${date}/${signer.region}/kms/aws4_request`;
  const canonical = [
    'POST\n/\n',
    `content-type:${contentType}\nhost:${host}\nx-amz-date:${time}\nx-amz-target:${target}\n`,
    signedHeaders,
    sha256(body),
  ].join('\n');
  const text = `AWS4-HMAC-SHA256\n${time}\n${scope}\n${sha256(canonical)}`;
  const signature = createHmac('sha256', keyFor(signer, date)).update(text).digest('hex');
  return {
    host,
    'content-type': contentType,
    'content-length': String(Buffer.byteLength(body)),
    'x-amz-date': time,
    'x-amz-target': target,
    authorization: `AWS4-HMAC-SHA256 Credential=${signer.accessKeyId}/${scope}, SignedHeaders=${signedHeaders}, Signature=${signature}`,
  };
}

function keyFor({ secretAccessKey, region }: Signer, date: string): Buffer {
  const name = `${secretAccessKey}/${date}`;
  let key = keys.get(name);
  if (!key) {
    key = Buffer.from(`AWS4${secretAccessKey}`);
    for (const part of [date, region, 'kms', 'aws4_request'])
      key = createHmac('sha256', key).update(part).digest();
    keys.set(name, key);
  }
  return key;
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
