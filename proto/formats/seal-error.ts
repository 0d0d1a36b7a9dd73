import { longestMessage, shown } from '../text.js';

/** Error codes of sealing and opening files. */
export type SealErrorCode =
  | 'NotASealedFile'
  | 'UnsupportedFormat'
  | 'InvalidSealedFile'
  | 'EncryptionContextMismatch'
  | 'UnusableInput'
  | 'UnusableOutput'
  | 'OutputExists';

/** An error of sealing or opening, with a stable code and a sentence that says what to do. */
export class SealError extends Error {
  readonly code: SealErrorCode;
  readonly retryable = false;

  constructor(code: SealErrorCode, message: string, options?: ErrorOptions) {
    super(shown(message, longestMessage), options);
    this.name = 'SealError';
    this.code = code;
  }
}

/** Makes the error for every failed check of a sealed file. It does not say which one, as that would help an attacker. */
export function invalidSealedFile(): SealError {
  return new SealError(
    'InvalidSealedFile',
    'The sealed file is damaged, cut short or changed, or is not of this data key. Nothing of it can be trusted.',
  );
}
