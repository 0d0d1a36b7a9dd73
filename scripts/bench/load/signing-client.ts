// A client of Keyhold that signs with ECDSA P-256, in a separate process. It answers {milliseconds, inFlight} with
// signatures per second. Arguments: URL, key ID.
import { connect } from '../../../client/index.js';
import { throughput } from './load.js';

/** A request to measure. */
export interface SigningRequest {
  readonly milliseconds: number;
  readonly inFlight: number;
}

const [url = '', keyId = ''] = process.argv.slice(2);
const credentials = {
  accessKeyId: process.env.AWS_ACCESS_KEY_ID ?? '',
  secretAccessKey: process.env.AWS_SECRET_ACCESS_KEY ?? '',
};
const client = await connect({ url, credentials });
const request = {
  keyId,
  message: Buffer.alloc(32, 5),
  signingAlgorithm: 'ECDSA_SHA_256',
  messageType: 'DIGEST',
} as const;

process.on('message', ({ milliseconds, inFlight }: SigningRequest) => {
  void throughput([() => client.sign(request)], inFlight, milliseconds).then((rate) => process.send?.(rate));
});
process.send?.('ready');
