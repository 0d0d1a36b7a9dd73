// Loads graphene-pk11 by `require`. `import` would read all of its 53 CommonJS files a second time to find their exports:
// 220 ms of CPU instead of 110 for each worker that starts.
import { createRequire } from 'node:module';

export const { Module, SessionFlag, TokenFlag, UserType } = createRequire(import.meta.url)(
  'graphene-pk11',
) as typeof import('graphene-pk11');
