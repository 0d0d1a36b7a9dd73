// keyhold verify-offline: verifies a signature without the daemon.
import { type Command, Option } from 'commander';
import { shapeByName } from '../../../proto/schema/descriptor.js';
import type { MessageType, SigningAlgorithmSpec } from '../../../proto/generated/messages.js';
import { verify } from '../../verify.js';
import { hintFor } from '../help/hints.js';
import { addOutputOptions, type OutputOptions, print } from '../output/output.js';
import { binaryFormats, type BinaryFormat, blobText, readValue } from '../input/values.js';

interface Options extends OutputOptions {
  readonly publicKey: string;
  readonly message: string;
  readonly signature: string;
  readonly signingAlgorithm: string;
  readonly messageType: string;
  readonly cliBinaryFormat: BinaryFormat;
}

const request = shapeByName.get('Verify')!.request.byName;
const publicKeyField = shapeByName.get('GetPublicKey')!.response.byName.get('publicKey')!;
const namesOf = (field: string) => [...(request.get(field)?.numbers?.keys() ?? [])];

/** Adds `keyhold verify-offline`. @returns the command, which does not connect to the daemon */
export function addVerifyOffline(program: Command): Command {
  const command = program
    .command('verify-offline')
    .helpGroup('Signatures, MACs and key agreement:')
    .description('Verifies a signature with a public key, without a daemon.')
    .requiredOption('--public-key <value>', `the public key, as get-public-key returns it: ${blobText}`)
    .requiredOption('--message <value>', `the message that was signed, of any length: ${blobText}`)
    .requiredOption('--signature <value>', `the signature, as sign returns it: ${blobText}`)
    .addOption(
      new Option('--signing-algorithm <value>', 'the signing algorithm')
        .choices(namesOf('signingAlgorithm'))
        .makeOptionMandatory(),
    )
    .addOption(
      new Option('--message-type <value>', 'DIGEST if --message is the digest of the message')
        .choices(namesOf('messageType'))
        .default('RAW'),
    )
    .addOption(
      new Option('--cli-binary-format <format>', 'format of the blobs')
        .choices(binaryFormats)
        .default('base64'),
    )
    .action((options: Options) => run(options));
  return addOutputOptions(command);
}

async function run(options: Options): Promise<void> {
  const { cliBinaryFormat } = options;
  const signingAlgorithm = options.signingAlgorithm as SigningAlgorithmSpec;
  const isValid = await verify(readValue(publicKeyField, [options.publicKey], cliBinaryFormat) as Buffer, {
    message: readValue(request.get('message')!, [options.message], cliBinaryFormat) as Buffer,
    signature: readValue(request.get('signature')!, [options.signature], cliBinaryFormat) as Buffer,
    signingAlgorithm,
    messageType: options.messageType as MessageType,
  });
  if (!isValid) throw new Error(hintFor('Verify', 'KMSInvalidSignatureException', ''));
  const response = { SignatureValid: true, SigningAlgorithm: signingAlgorithm };
  await print(response, options);
}
