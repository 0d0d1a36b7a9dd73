// How events show requests and responses: CloudTrail's spelling, times as text, and the defaults that AWS KMS writes out.
// Source: "Examples of AWS KMS log entries", AWS KMS Developer Guide.
import {
  type FieldShape,
  type MessageShape,
  type Service,
  shapeByName,
} from '../../proto/schema/descriptor.js';

type Message = Readonly<Record<string, unknown>>;

const symmetric = 'SYMMETRIC_DEFAULT';
const wholePolicy = { policyName: 'default' };

/** The properties of an operation that its events depend on. */
export interface AuditedOperation {
  readonly name: string;
  readonly service: Service;
  readonly readOnly: boolean;
  /** The fields of requests that events show. */
  readonly audited: readonly string[];
  /** The part of a response that events show. */
  auditedResponse?(response: object): object | undefined;
}

/** The defaults that CloudTrail shows for omitted fields, by operation. */
const defaults: Readonly<Record<string, Message>> = {
  CreateKey: {
    description: '',
    keyUsage: 'ENCRYPT_DECRYPT',
    origin: 'AWS_KMS',
    multiRegion: false,
    bypassPolicyLockoutSafetyCheck: false,
  },
  Encrypt: { encryptionAlgorithm: symmetric },
  Decrypt: { encryptionAlgorithm: symmetric },
  ReEncrypt: { sourceEncryptionAlgorithm: symmetric, destinationEncryptionAlgorithm: symmetric },
  Sign: { messageType: 'RAW' },
  Verify: { messageType: 'RAW' },
  ImportKeyMaterial: { expirationModel: 'KEY_MATERIAL_EXPIRES' },
  PutKeyPolicy: { ...wholePolicy, bypassPolicyLockoutSafetyCheck: false },
  GetKeyPolicy: wholePolicy,
};

/** A field that events show. */
interface AuditedField {
  readonly name: string;
  /** Its name as JSON, with the colon. */
  readonly start: string;
  /** Undefined: its value is written as it is. */
  readonly shape: FieldShape | undefined;
  /** The value as JSON for a request that omits it. */
  readonly fallback: string | undefined;
}

const audited = new WeakMap<AuditedOperation, readonly AuditedField[]>();

/** The audited fields of a request as JSON, or `null` where there are none. */
export function requestParameters(operation: AuditedOperation, request: Message): string {
  let members = '';
  const seen = operation.name === 'CreateKey' ? withBothSpecs(request) : request;
  for (const { name, start, shape, fallback } of fieldsOf(operation)) {
    const value = seen[name];
    if (value === undefined && fallback === undefined) continue;
    const text = value === undefined ? fallback : JSON.stringify(shape ? shown(shape, value) : value);
    members += `${members && ','}${start}${text}`;
  }
  return members === '' ? 'null' : `{${members}}`;
}

/** A response as CloudTrail spells it. @param name of the operation */
export function shownResponse(name: string, response: object): Message {
  return shownMessage(shapeByName.get(name)?.response, response as Message);
}

/** AWS accepts a key spec under either name, and shows both. */
function withBothSpecs(request: Message): Message {
  const spec = request.keySpec ?? request.customerMasterKeySpec ?? symmetric;
  return { ...request, keySpec: spec, customerMasterKeySpec: spec };
}

function fieldsOf(operation: AuditedOperation): readonly AuditedField[] {
  let fields = audited.get(operation);
  if (!fields) {
    const shapes = shapeByName.get(operation.name)?.request.byName;
    fields = operation.audited.map((name) => {
      const fallback = defaults[operation.name]?.[name];
      const shape = shapes?.get(name);
      return {
        name,
        start: `${JSON.stringify(name)}:`,
        shape: shape && isChanged(shape) ? shape : undefined,
        fallback: fallback === undefined ? undefined : JSON.stringify(fallback),
      };
    });
    audited.set(operation, fields);
  }
  return fields;
}

/** Whether events may show the value of a field in another form. */
function isChanged({ kind }: FieldShape): boolean {
  return kind === 'timestamp' || kind === 'message';
}

function shownMessage(shape: MessageShape | undefined, message: Message): Message {
  const entries = Object.entries(message).map(([name, value]) => {
    const field = shape?.byName.get(name);
    return [name === 'awsAccountId' ? 'AWSAccountId' : name, field ? shown(field, value) : value];
  });
  return Object.fromEntries(entries) as Message;
}

function shown(field: FieldShape, value: unknown): unknown {
  if (Array.isArray(value) && field.repeated) return value.map((each) => shownOne(field, each));
  return shownOne(field, value);
}

function shownOne({ kind, message }: FieldShape, value: unknown): unknown {
  if (kind === 'timestamp' && typeof value === 'number') return cloudTrailTime(value);
  if (kind === 'message' && typeof value === 'object' && value !== null)
    return shownMessage(message, value as Message);
  return value;
}

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** A time in parameters and elements, such as `Aug 10, 2022, 10:38:27 PM`, in UTC. @param at epoch seconds */
export function cloudTrailTime(at: number): string {
  const date = new Date(at * 1000);
  if (Number.isNaN(date.getTime())) return String(at);
  const two = (number: number) => String(number).padStart(2, '0');
  const hours = date.getUTCHours();
  const day = `${months[date.getUTCMonth()]} ${date.getUTCDate()}, ${date.getUTCFullYear()}`;
  const time = `${hours % 12 || 12}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())}`;
  return `${day}, ${time} ${hours < 12 ? 'AM' : 'PM'}`;
}
