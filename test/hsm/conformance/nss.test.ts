import { conforms } from './conformance.js';

conforms({
  profile: 'nss',
  tokenLabel: 'NSS Certificate DB',
  pinFile: 'tokens/nss-pin',
  needs: ['/usr/lib/x86_64-linux-gnu/libsoftokn3.so', '/usr/bin/certutil'],
  packages: 'libnss3 libnss3-tools',
});
