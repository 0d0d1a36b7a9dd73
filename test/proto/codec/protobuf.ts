// The schema in protobufjs, to check Keyhold's codec against.
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import protobuf from 'protobufjs';

const proto = fileURLToPath(new URL('../../../../proto/schema/', import.meta.url));
export const root = new protobuf.Root();
// It only declares the types of options.
root.resolvePath = (_origin, target) => (target === 'options.proto' ? null : join(proto, target));
root.loadSync('keyhold.proto');
root.resolveAll();

export const requestType = root.lookupType('keyhold.v1.Request');
export const responseType = root.lookupType('keyhold.v1.Response');
