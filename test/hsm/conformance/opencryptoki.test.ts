import { conforms } from './conformance.js';

conforms({
  profile: 'opencryptoki',
  tokenLabel: 'keyhold',
  pinFile: 'tokens/opencryptoki-pin',
  needs: ['/usr/sbin/pkcsslotd', '/usr/sbin/pkcsconf'],
  packages: 'opencryptoki',
  asRoot: true,
});
