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
 * Waits for a request that may be denied.
 * @param absent called with the error code if the result is undefined
 * @returns the result; undefined if the caller may not make the request, or its subject does not exist
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
