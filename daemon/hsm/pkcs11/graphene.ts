// graphene-pk11, as workers load it: by require, in half the time. `import` reads all of its 53 CommonJS files a second time
// to find the names that they export: 220 ms of CPU instead of 110, for each worker that starts.
import { createRequire } from 'node:module';

export const { Module, SessionFlag, TokenFlag, UserType } = createRequire(import.meta.url)(
  'graphene-pk11',
) as typeof import('graphene-pk11');
