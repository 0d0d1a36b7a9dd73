// Attacks on key wrapping by whoever has the user's PIN: those of the design of links, and those of the literature.
//
// Clulow, "On the Security of PKCS #11", CHES 2003. Delaune, Kremer and Steel, "Formal Security Analysis of PKCS#11 and
// Proprietary Extensions", JCS 2010. Bortolozzo, Centenaro, Focardi and Steel, "Attacking and Fixing PKCS#11 Security Tokens"
// (Tookan), CCS 2010. Bardou et al., "Efficient Padding Oracle Attacks on Cryptographic Hardware", CRYPTO 2012.
import type { Attack } from './attack.js';
import { attributes } from './attributes.js';
import { trustedKeys } from './trusted-keys.js';
import { unwrapping } from './unwrapping.js';
import { usages } from './usages.js';
import { wrapping } from './wrapping.js';

/** All attacks, in the order in which they are tried: those that change a key come last. */
export const attacks: readonly Attack[] = [
  ...wrapping,
  ...trustedKeys,
  ...unwrapping,
  ...usages,
  ...attributes,
];
