// keyhold verify-offline.
import { type Command, Option } from 'commander';
import { shapeByName } from '../../proto/schema/descriptor.js';
import type { MessageType, SigningAlgorithmSpec } from '../../proto/generated/messages.js';
import { verify } from '../verify.js';
import { hintFor } from './hints.js';
import { type Format, formats, render } from './output.js';
import { binaryFormats, type BinaryFormat, readValue } from './values.js';

interface Options {
  readonly publicKey: string;
  readonly message: string;
  readonly signature: string;
  readonly signingAlgorithm: string;
  readonly messageType: string;
  readonly cliBinaryFormat: BinaryFormat;
  readonly output: Format;
  readonly query?: string;
}

const request = shapeByName.get('Verify')!.request.byName;
const publicKeyField = shapeByName.get('GetPublicKey')!.response.byName.get('publicKey')!;
const namesOf = (field: string) => [...(request.get(field)?.numbers?.keys() ?? [])];
const blob = 'base64, or a file as fileb://path, or one of base64 as file://path';

/** Adds `keyhold verify-offline`. @returns the command, which reaches no daemon */
export function addVerifyOffline(program: Command): Command {
  return program
    .command('verify-offline')
    .description(
      'Verifies a signature with a public key that get-public-key returned. Needs no daemon and no credentials.',
    )
    .requiredOption('--public-key <value>', `the public key in DER: ${blob}`)
    .requiredOption('--message <value>', `what was signed, of any length: ${blob}`)
    .requiredOption('--signature <value>', blob)
    .addOption(
      new Option('--signing-algorithm <value>', 'the algorithm of the signature')
        .choices(namesOf('signingAlgorithm'))
        .makeOptionMandatory(),
    )
    .addOption(
      new Option('--message-type <value>', 'DIGEST where the message is the digest of what was signed')
        .choices(namesOf('messageType'))
        .default('RAW'),
    )
    .addOption(
      new Option('--cli-binary-format <format>', 'how blobs are given')
        .choices(binaryFormats)
        .default('base64'),
    )
    .addOption(new Option('--output <format>', 'how to print').choices(formats).default('json'))
    .option('--query <expression>', 'a JMESPath expression that picks what to print')
    .action((options: Options) => run(options));
}

async function run(options: Options): Promise<void> {
  const { cliBinaryFormat, output, query } = options;
  const signingAlgorithm = options.signingAlgorithm as SigningAlgorithmSpec;
  const isValid = await verify(readValue(publicKeyField, [options.publicKey], cliBinaryFormat) as Buffer, {
    message: readValue(request.get('message')!, [options.message], cliBinaryFormat) as Buffer,
    signature: readValue(request.get('signature')!, [options.signature], cliBinaryFormat) as Buffer,
    signingAlgorithm,
    messageType: options.messageType as MessageType,
  });
  if (!isValid) throw new Error(hintFor('Verify', 'KMSInvalidSignatureException', ''));
  const response = { SignatureValid: true, SigningAlgorithm: signingAlgorithm };
  process.stdout.write(await render(response, output, query));
}
