// Every operation that reads about a key, on every kind of key. As AWS KMS does, it returns what there is, or an empty value,
// and refuses only what the tables below list.
import { randomBytes } from 'node:crypto';
import t from 'tap';
import { operationTable } from '../../../daemon/operations/table.js';
import type { CreateKeyRequest } from '../../../proto/generated/messages.js';
import { connectedStore, reaches } from '../../support/custom-key-store.js';
import { newExternalKey, parametersFor } from '../../support/imports.js';
import { beginLab } from '../../support/lab.js';

/** Expected answer; an error code for a refusal. */
type Answer = string | object;

/** By operation: the answer for every kind of key, and the kinds with another answer. */
interface Row {
  readonly answer: Answer;
  readonly except?: Readonly<Record<string, Answer>>;
}

const unsupported = 'UnsupportedOperationException';
const invalidState = 'KMSInvalidStateException';

const rows: Readonly<Record<string, Row>> = {
  DescribeKey: { answer: { keyMetadata: {} } },
  GetKeyLastUsage: { answer: { keyLastUsage: {} } },
  GetKeyPolicy: { answer: { policyName: 'default' } },
  // AWS's table of key states has UnsupportedOperationException for Unavailable. Keys of services rotate every year.
  GetKeyRotationStatus: {
    answer: { keyRotationEnabled: false },
    except: { disconnected: unsupported, managed: { keyRotationEnabled: true } },
  },
  GetPublicKey: {
    answer: { publicKey: Buffer },
    except: {
      symmetric: unsupported,
      HMAC: unsupported,
      imported: unsupported,
      managed: unsupported,
      'custom key store': unsupported,
      'pending import': invalidState,
      'pending import, asymmetric': invalidState,
      'pending deletion': invalidState,
      disconnected: invalidState,
    },
  },
  ListGrants: { answer: { grants: [], truncated: false } },
  ListKeyPolicies: { answer: { policyNames: ['default'], truncated: false } },
  ListKeyRotations: { answer: { rotations: [], truncated: false } },
  ListResourceTags: { answer: { tags: [], truncated: false } },
};

void t.test('reads of every kind of key', async (t) => {
  const { client, tokens } = await beginLab(t, [{ label: 'lab' }, { label: 'away' }]);
  const customKeyStoreId = await connectedStore(client, tokens[0]!);
  const away = await connectedStore(client, tokens[1]!);
  const make = async (request: CreateKeyRequest) => (await client.createKey(request)).keyMetadata.keyId;
  const inStore = (id: string) => make({ origin: 'AWS_CLOUDHSM', customKeyStoreId: id });
  const signing = { keySpec: 'ECC_NIST_P256', keyUsage: 'SIGN_VERIFY' } as const;

  const imported = await newExternalKey(client);
  const parameters = await parametersFor(client, imported);
  await parameters.send(parameters.wrap(randomBytes(32)));
  const disabled = await make(signing);
  await client.disableKey({ keyId: disabled });
  const deleted = await make(signing);
  await client.scheduleKeyDeletion({ keyId: deleted, pendingWindowInDays: 7 });
  const disconnected = await inStore(away);
  await client.disconnectCustomKeyStore({ customKeyStoreId: away });
  await reaches(client, away, 'DISCONNECTED');

  const kinds: Readonly<Record<string, string>> = {
    symmetric: await make({}),
    'RSA, encryption': await make({ keySpec: 'RSA_2048', keyUsage: 'ENCRYPT_DECRYPT' }),
    'elliptic curve, signing': await make(signing),
    'elliptic curve, agreement': await make({ keySpec: 'ECC_NIST_P384', keyUsage: 'KEY_AGREEMENT' }),
    HMAC: await make({ keySpec: 'HMAC_256', keyUsage: 'GENERATE_VERIFY_MAC' }),
    imported,
    'pending import': await newExternalKey(client),
    'pending import, asymmetric': await newExternalKey(client, signing),
    disabled,
    'pending deletion': deleted,
    'custom key store': await inStore(customKeyStoreId),
    disconnected,
    managed: (await client.describeKey({ keyId: 'alias/aws/s3' })).keyMetadata.keyId,
  };

  const methods = client as unknown as Record<string, (request: object) => Promise<unknown>>;
  const read = (name: string, request: object) =>
    methods[`${name[0]!.toLowerCase()}${name.slice(1)}`]!(request);
  for (const { name, service, readOnly, permissions } of operationTable.values()) {
    const ofKey = permissions.some(({ key }) => key !== undefined);
    if (service !== 'kms' || !readOnly || !ofKey || !/^(Get|List|Describe)/.test(name)) continue;
    await t.test(name, async (t) => {
      const row = rows[name];
      if (!row) return t.fail('has no row in the table of this test');
      for (const [kind, keyId] of Object.entries(kinds)) {
        const expected = row.except?.[kind] ?? row.answer;
        const answer = await read(name, { keyId }).catch((error: { code: string }) => error.code);
        t.match(answer, expected, kind);
      }
    });
  }
});
