// Parts that the requests of several cryptographic operations share: dry run, recipient, bytes.
import { exceptions } from '../../../proto/errors.js';

/** Ends a dry run, after its checks. @throws DryRunOperationException if the request is a dry run */
export function stopIfDryRun(request: { readonly dryRun?: boolean }): void {
  if (!request.dryRun) return;
  throw new exceptions.DryRunOperationException(
    'The request would have succeeded, but the DryRun option is set.',
  );
}

/** Refuses a request for an enclave. @throws UnsupportedOperationException if it carries an attestation document */
export function refuseRecipient(request: { readonly recipient?: object }): void {
  if (request.recipient === undefined) return;
  throw new exceptions.UnsupportedOperationException(
    'Recipient is for attestation documents of AWS Nitro enclaves, which Keyhold does not verify.',
  );
}

/** The same bytes as a Buffer, without a copy. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}
