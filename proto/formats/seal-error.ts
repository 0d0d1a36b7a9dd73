import { longestMessage, shown } from '../text.js';

/** What may be wrong with a sealed file, or with the files that it is made from and written to. */
export type SealErrorCode =
  | 'NotASealedFile'
  | 'UnsupportedFormat'
  | 'InvalidSealedFile'
  | 'EncryptionContextMismatch'
  | 'UnusableInput'
  | 'UnusableOutput'
  | 'OutputExists';

/** A refusal to seal or to open: a stable code, and a sentence that says what to do. */
export class SealError extends Error {
  readonly code: SealErrorCode;
  readonly retryable = false;

  constructor(code: SealErrorCode, message: string, options?: ErrorOptions) {
    super(shown(message, longestMessage), options);
    this.name = 'SealError';
    this.code = code;
  }
}

/** The one error for everything that is found in what was sealed: which check failed would help only an attacker. */
export function invalidSealedFile(): SealError {
  return new SealError(
    'InvalidSealedFile',
    'The sealed file is damaged, cut short or changed, or is not of this data key. Nothing of it can be trusted.',
  );
}
