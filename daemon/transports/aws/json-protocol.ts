import { decodeAwsJson, toAwsJson } from '../../../proto/aws/json.js';
import { errorTable } from '../../../proto/errors.js';
import type { Protocol } from './protocol.js';

const targetPrefix = 'TrentService.';

/** The protocol of AWS KMS: AWS JSON 1.1, with the operation in the header X-Amz-Target. */
export const jsonProtocol: Protocol = {
  service: 'kms',
  contentType: 'application/x-amz-json-1.1',
  operationName(headers) {
    const target = headers['x-amz-target'];
    return typeof target === 'string' && target.startsWith(targetPrefix)
      ? target.slice(targetPrefix.length)
      : undefined;
  },
  decode: decodeAwsJson,
  // An operation without output has an empty response body.
  encode: (_operation, shape, response) =>
    shape.fields.length === 0 ? '' : JSON.stringify(toAwsJson(shape, response)),
  // If AWS KMS sends no message, the member is absent.
  encodeError: ({ code, message }) => ({
    status: errorTable[code].httpStatus,
    text: JSON.stringify({ __type: code, message: message || undefined }),
  }),
};
