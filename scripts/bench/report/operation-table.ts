// The operations that the suite `operations` measures, with their goals.
import { availableParallelism } from 'node:os';
import type { Client } from '../../../client/index.js';
import { encodeRequest, operationShape } from '../../../proto/codec/frames.js';
import type { Call } from '../load/load.js';
import type { RawOperation } from '../baselines/raw.js';

/** An operation, its baselines and its goals. */
export interface Operation {
  readonly name: string;
  /** What the plain loop does. */
  readonly raw: RawOperation;
  /** CKA_LABEL of the key for the plain loop. */
  readonly label: string;
  /** How many plain loops run side by side. */
  readonly processes: number;
  /** The encoded request, for the echo server. */
  readonly frame: Uint8Array;
  readonly call: (client: Client) => Call;
  /** Goal: least ratio to the throughput of the plain loops. */
  readonly toRaw: number;
  /** Goal: least ratio to the throughput of the echo server. */
  readonly toEcho?: number;
  /** Whether the latency of one request at a time has a goal. */
  readonly isTimed?: boolean;
}

/** Creates keys, and returns the operations with them. */
export async function operationsOn(client: Client): Promise<Operation[]> {
  const keyId = (await client.createKey({})).keyMetadata.keyId;
  const plaintext = Buffer.alloc(64, 1);
  const { ciphertextBlob } = await client.encrypt({ keyId, plaintext });
  const label = `keyhold/${keyId}`;
  const symmetric = { label, processes: 1, toRaw: 1.3, toEcho: 0.4 };
  const dataKey = { keyId, keySpec: 'AES_256' } as const;
  return [
    {
      name: 'encrypt-64',
      raw: 'encrypt',
      frame: frameOf('Encrypt', { keyId, plaintext }),
      call: (c) => () => c.encrypt({ keyId, plaintext }),
      isTimed: true,
      ...symmetric,
    },
    {
      name: 'decrypt-64',
      raw: 'decrypt',
      frame: frameOf('Decrypt', { ciphertextBlob }),
      call: (c) => () => c.decrypt({ ciphertextBlob }),
      ...symmetric,
    },
    {
      name: 'generate-data-key',
      raw: 'data-key',
      frame: frameOf('GenerateDataKey', dataKey),
      call: (c) => () => c.generateDataKey(dataKey),
      ...symmetric,
    },
    {
      name: 'sign-ecdsa-p256',
      raw: 'sign-ecdsa',
      processes: 1,
      toRaw: 1.3,
      ...(await signing(client, 'ECC_NIST_P256', 'ECDSA_SHA_256')),
    },
    {
      name: 'sign-rsa-2048',
      raw: 'sign-rsa',
      processes: availableParallelism(),
      toRaw: 0.9,
      ...(await signing(client, 'RSA_2048', 'RSASSA_PKCS1_V1_5_SHA_256')),
    },
  ];
}

async function signing(
  client: Client,
  keySpec: 'ECC_NIST_P256' | 'RSA_2048',
  signingAlgorithm: 'ECDSA_SHA_256' | 'RSASSA_PKCS1_V1_5_SHA_256',
): Promise<Pick<Operation, 'label' | 'frame' | 'call'>> {
  const keyId = (await client.createKey({ keySpec, keyUsage: 'SIGN_VERIFY' })).keyMetadata.keyId;
  const request = { keyId, message: Buffer.alloc(64, 1), signingAlgorithm } as const;
  return {
    label: `keyhold/${keyId}`,
    frame: frameOf('Sign', request),
    call: (c) => () => c.sign(request),
  };
}

function frameOf(operation: string, message: Record<string, unknown>): Uint8Array {
  return encodeRequest(1, 30_000, operationShape(operation), message);
}
