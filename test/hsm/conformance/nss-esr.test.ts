import { firefoxNssNeeds, writeFirefoxProfile } from '../../support/firefox-nss.js';
import { conforms } from './conformance.js';

conforms({
  profile: 'nss-esr',
  setUpOf: 'nss',
  adapt: writeFirefoxProfile,
  tokenLabel: 'NSS Certificate DB',
  pinFile: 'tokens/nss-pin',
  needs: firefoxNssNeeds,
  packages: 'libnss3-tools, and scripts/firefox-nss',
});
