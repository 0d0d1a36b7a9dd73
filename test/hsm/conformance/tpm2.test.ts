import { conforms } from './conformance.js';

conforms({
  profile: 'tpm2',
  tokenLabel: 'keyhold',
  pinFile: 'tokens/tpm2-pin',
  needs: [
    '/usr/lib/x86_64-linux-gnu/pkcs11/libtpm2_pkcs11.so',
    '/usr/bin/tpm2_ptool',
    '/usr/bin/swtpm',
    '/usr/sbin/tpm2-abrmd',
    '/usr/lib/x86_64-linux-gnu/libtss2-tcti-swtpm.so.0',
    '/usr/lib/x86_64-linux-gnu/libtss2-tcti-tabrmd.so.0',
  ],
  packages:
    'libtpm2-pkcs11-1 libtpm2-pkcs11-tools swtpm tpm2-tools tpm2-abrmd libtss2-tcti-swtpm0 libtss2-tcti-tabrmd0 dbus',
  tokenObjects: true,
});
