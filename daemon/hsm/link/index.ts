// The front of the ceremony that links two Regions, for admin programs. Each side runs:
//
//   const ceremony = await LinkCeremony.open(token, { link, generation, region, … }, pins); // tries the attacks first
//   send(ceremony.offer); const peer = receive();
//   confirm(fingerprintOf(ceremony.offer, peer));                                        // both officers, by voice
//   send(ceremony.seal(peer)); ceremony.accept(peer, receive());
//   ceremony.close();
//
// What lasts beside the token's keys is of the peer's offer: `signingKey`, which KeyStore.unwrapFromLink verifies with,
// `endpoint` and `certificate`. The daemon calls
// KeyStore.refreshLink before it uses a new generation, as its workers may not see objects of another process. A generation
// that is in use must not be opened again: seal and accept replace its keys. A rotation opens the next one, and destroyLink
// removes those before it once nothing is under way.
export { LinkCeremony } from './ceremony.js';
export type { CeremonyPins } from './ceremony-keys.js';
export type { AskPin, CeremonyToken } from './officer-session.js';
export { assess, objections, type TriedAttack } from './assessment.js';
export { auditKeys, type AuditedKey } from './audit.js';
export { destroyLink, listLinks } from './links.js';
