import { conforms } from './conformance.js';

conforms({
  profile: 'softhsm2',
  tokenLabel: 'keyhold',
  pinFile: 'tokens/pin',
  needs: ['/usr/lib/softhsm/libsofthsm2.so'],
  packages: 'softhsm2',
  byInit: true,
});
