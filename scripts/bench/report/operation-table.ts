// What the suite `operations` measures, and what is to be reached.
import { availableParallelism } from 'node:os';
import type { Client } from '../../../client/index.js';
import { encodeRequest, operationShape } from '../../../proto/codec/frames.js';
import type { Call } from '../load/load.js';
import type { RawOperation } from '../baselines/raw.js';

export interface Operation {
  readonly name: string;
  /** What the plain loop does, and the label of the key in the token that it does it with. */
  readonly raw: RawOperation;
  readonly label: string;
  /** How many plain loops run side by side. */
  readonly processes: number;
  /** The request, for the echo. */
  readonly frame: Uint8Array;
  readonly call: (client: Client) => Call;
  /** Least ratios to the plain loops and to the echo. */
  readonly toRaw: number;
  readonly toEcho?: number;
  /** Whether one request at a time has a goal. */
  readonly isTimed?: boolean;
}

/** Makes the keys. */
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
