// The PKCS#11 part of a ceremony that links two Regions, for one side. The admin program runs it in a process of its own.
//
//   open    the officer logs in once and generates the transport key; then the user logs in until close
//   offer   what the peer gets; both officers compare fingerprintOf(offer, peer's offer) by voice
//   seal    wraps the transport key for the peer and keeps a copy that can only wrap: the send key
//   accept  unwraps the peer's transport key to a key that can only unwrap: the receive key
//
// The token keeps send key, receive key and signing pair of a generation. The RSA pair and the extractable transport key are
// session objects: other processes, even with the PIN, do not see them, and they end with this process. A ceremony that was
// interrupted begins again with a new offer and replaces what the earlier attempt left.
import type { LinkGeneration, LinkOffer, LinkSide, SealedTransportKey } from '../link-messages.js';
import { createHash, createPublicKey } from 'node:crypto';
import pkcs11, { type Attribute, type Handle } from 'pkcs11js';
import { HsmError } from '../key-store.js';
import { linkLabel, linkObjectId, type LinkRole, linkRoles } from '../link-objects.js';
import { sealedKeyStatement, verifyLinkSignature } from '../link-statements.js';
import { toHsmError } from '../pkcs11/return-values.js';
import { toSubjectPublicKeyInfo } from '../worker/public-keys.js';
import { unwrapNested } from './nested-template.js';
import { oaep, rawOaep } from './oaep.js';
import { objections, tried } from './assessment.js';
import {
  type CeremonyPins,
  type KeyPair,
  makeSigningPair,
  makeTransportKey,
  makeWrappingPair,
} from './ceremony-keys.js';
import { type CeremonyToken, OfficerSession } from './officer-session.js';
import { peerWrappingKey, receiveKey, sendKey } from './templates.js';

const wrappingKeyBits = 4_096;
const longestSignature = 256;

/** The keys that only a ceremony's process sees. */
interface SessionKeys {
  readonly wrapping: KeyPair;
  readonly signing: KeyPair;
  /** Undefined once it is sealed. */
  transport: Handle | undefined;
}

/** One side of a ceremony. */
export class LinkCeremony {
  private constructor(
    private readonly opened: OfficerSession,
    private readonly side: LinkSide,
    private readonly keys: SessionKeys,
  ) {}

  /**
   * Begins, or begins again, the ceremony of a link's first or next generation.
   * @param side this Region; the fingerprint covers all of it
   * @throws HsmError 'login-refused'; 'unsupported' if the officer cannot make a trusted key, or the module lets an attack
   * through
   */
  static async open(
    settings: CeremonyToken,
    side: LinkSide,
    { officer, user }: CeremonyPins,
  ): Promise<LinkCeremony> {
    linkLabel(side, 'send');
    const opened = OfficerSession.open(settings);
    try {
      const [transport, trial] = await opened.as(
        'officer',
        officer,
        () => [makeTransportKey(opened), makeTransportKey(opened)] as const,
      );
      await opened.login('user', user);
      const wrapping = makeWrappingPair(opened);
      const objection = objections(tried(opened, trial, wrapping));
      if (objection.length > 0) throw new HsmError('unsupported', objection.join(' '));
      const keys = { transport, wrapping, signing: makeSigningPair(opened) };
      return new LinkCeremony(opened, side, keys);
    } catch (error) {
      opened.close();
      throw toHsmError(error);
    }
  }

  /** What the peer gets. Its wrapping key is new in each process. */
  get offer(): LinkOffer {
    return {
      ...this.side,
      wrappingKey: toSubjectPublicKeyInfo(this.opened, this.keys.wrapping.publicKey),
      signingKey: toSubjectPublicKeyInfo(this.opened, this.keys.signing.publicKey),
    };
  }

  /**
   * Wraps the transport key for the peer and puts send key and signing pair into the token, in place of those that an
   * earlier attempt left. A process does this once.
   * @param peer the offer whose fingerprint was compared
   * @throws HsmError 'invalid-ciphertext' if the offer is for another link or has another kind of key
   */
  seal(peer: LinkOffer): SealedTransportKey {
    const { opened, side, keys } = this;
    const { module, session } = opened;
    const { transport, signing } = keys;
    this.#assertPeer(peer);
    if (transport === undefined)
      throw new HsmError(
        'internal',
        'The transport key of this process was sealed: begin the ceremony again.',
      );
    keys.transport = undefined;
    try {
      const peerKey = module.C_CreateObject(session, peerWrappingKey(numbersOf(peer.wrappingKey)));
      const buffer = Buffer.alloc(wrappingKeyBits / 8);
      const wrapped = Buffer.from(module.C_WrapKey(session, oaep, peerKey, transport, buffer));
      const earlier = (['send', 'signing'] as const).flatMap((role) =>
        opened.findById(linkObjectId(side, role)),
      );
      module.C_CopyObject(session, transport, sendKey(placeOf(side, 'send')));
      for (const key of [signing.privateKey, signing.publicKey])
        module.C_CopyObject(session, key, placeOf(side, 'signing'));
      opened.destroy([...earlier, transport, peerKey]);
      opened.sync();
      return { wrapped, signature: this.#sign(sealedKeyStatement(this.offer, peer, wrapped)) };
    } catch (error) {
      throw toHsmError(error);
    }
  }

  /**
   * Makes the receive key from the peer's sealed transport key, in place of one that an earlier attempt left.
   * @param peer the offer whose fingerprint was compared
   * @throws HsmError 'invalid-ciphertext' if the peer did not seal it for this offer; nothing has changed then
   */
  accept(peer: LinkOffer, { wrapped, signature }: SealedTransportKey): void {
    const { opened, side, keys } = this;
    this.#assertPeer(peer);
    verifyLinkSignature(peer.signingKey, sealedKeyStatement(peer, this.offer, wrapped), signature);
    try {
      const earlier = opened.findById(linkObjectId(side, 'receive'));
      const template = receiveKey(placeOf(side, 'receive'));
      unwrapNested(opened.library, opened.session, rawOaep, keys.wrapping.privateKey, wrapped, template);
      opened.destroy(earlier);
      opened.sync();
    } catch (error) {
      throw toHsmError(error);
    }
  }

  /**
   * Destroys what the ceremony put into the token, if it is not to be finished. The generation must not be in use.
   * @throws HsmError
   */
  abandon(): void {
    try {
      this.opened.destroy(linkRoles.flatMap((role) => this.opened.findById(linkObjectId(this.side, role))));
      this.opened.sync();
    } catch (error) {
      throw toHsmError(error);
    }
  }

  /** Ends the process's part: the RSA pair and an unused transport key are gone. */
  close(): void {
    this.opened.close();
  }

  #assertPeer(peer: LinkOffer): void {
    const { link, generation, region } = this.side;
    const isOurs = peer.link === link && peer.generation === generation && peer.region !== region;
    if (!isOurs || bitsOf(peer.wrappingKey) !== wrappingKeyBits)
      throw new HsmError(
        'invalid-ciphertext',
        `The other Region's offer is not for generation ${generation} of link '${link}' with an RSA key of ${wrappingKeyBits} bits.`,
      );
  }

  #sign(statement: Buffer): Buffer {
    const { module, session } = this.opened;
    module.C_SignInit(session, { mechanism: pkcs11.CKM_ECDSA }, this.keys.signing.privateKey);
    const digest = createHash('sha256').update(statement).digest();
    return Buffer.from(module.C_Sign(session, digest, Buffer.alloc(longestSignature)));
  }
}

function placeOf(generation: LinkGeneration, role: LinkRole): Attribute[] {
  return [
    { type: pkcs11.CKA_TOKEN, value: true },
    { type: pkcs11.CKA_ID, value: linkObjectId(generation, role) },
    { type: pkcs11.CKA_LABEL, value: Buffer.from(linkLabel(generation, role)) },
  ];
}

function bitsOf(spki: Buffer): number | undefined {
  try {
    return createPublicKey({ key: spki, type: 'spki', format: 'der' }).asymmetricKeyDetails?.modulusLength;
  } catch {
    return undefined;
  }
}

function numbersOf(spki: Buffer): Attribute[] {
  const { n = '', e = '' } = createPublicKey({ key: spki, type: 'spki', format: 'der' }).export({
    format: 'jwk',
  }) as { n?: string; e?: string };
  return [
    { type: pkcs11.CKA_MODULUS, value: Buffer.from(n, 'base64url') },
    { type: pkcs11.CKA_PUBLIC_EXPONENT, value: Buffer.from(e, 'base64url') },
  ];
}
