// Parts of an overview that the caller may not be allowed to see.
import { ServiceError } from '../../errors.js';

const absentCodes: ReadonlySet<string> = new Set([
  'AccessDeniedException',
  'AccessDenied',
  'NotFoundException',
  'NoSuchEntityException',
  'UnsupportedOperationException',
]);

/**
 * The result of a request; undefined where the caller may not make it, or there is nothing of the kind.
 * @param absent is told the error's code
 * @throws any other error of the request
 */
export async function ifAllowed<Result>(
  request: Promise<Result>,
  absent: (code: string) => void = () => undefined,
): Promise<Result | undefined> {
  try {
    return await request;
  } catch (error) {
    if (!(error instanceof ServiceError) || !absentCodes.has(error.code)) throw error;
    absent(error.code);
    return undefined;
  }
}
