import { createHmac, createSecretKey, type KeyObject } from 'node:crypto';

const modulus = 256;
/** First bytes of the hashed messages, which separate members from roots. */
const rootTag = Buffer.of(0);
const memberTag = Buffer.of(1);

/**
 * An incremental hash of a set under a secret key: MSet-Add-Hash (Clarke, Devadas, van Dijk, Gassend and Suh,
 * "Incremental Multiset Hash Functions and Their Application to Memory Integrity Checking", ASIACRYPT 2003). It is the
 * sum modulo 2^256 of HMAC-SHA-256 of each member, so that adding or removing a member costs one HMAC and the order of
 * members does not matter. Without the key nobody can compute the sum of a set, or find another set with the same sum. A
 * plain sum of 256-bit hashes would be open to Wagner's generalized birthday attack (CRYPTO 2002): that is why members are
 * hashed under a key that is stored nowhere, and why the sum itself is never shown, only its HMAC.
 *
 * Instances are immutable.
 */
export class SetHash {
  private constructor(
    private readonly key: KeyObject,
    private readonly sum: bigint,
    /** Number of members. */
    readonly count: number,
  ) {}

  /** Makes the hash of the empty set. @param key 32 bytes, secret; the caller wipes it */
  static under(key: Buffer): SetHash {
    return new SetHash(createSecretKey(key), 0n, 0);
  }

  /** Adds a member. @param member must not be in the set, or it would count twice */
  with(member: Buffer): SetHash {
    return new SetHash(this.key, BigInt.asUintN(modulus, this.sum + this.#hash(member)), this.count + 1);
  }

  /** Removes a member. @param member must be in the set */
  without(member: Buffer): SetHash {
    return new SetHash(this.key, BigInt.asUintN(modulus, this.sum - this.#hash(member)), this.count - 1);
  }

  /** Authenticates the set in an epoch without revealing the sum. @returns 32 bytes in hex */
  root(epoch: number): string {
    const numbers = Buffer.alloc(16);
    numbers.writeBigUInt64BE(BigInt(epoch));
    numbers.writeBigUInt64BE(BigInt(this.count), 8);
    const sum = Buffer.from(this.sum.toString(16).padStart(modulus / 4, '0'), 'hex');
    return createHmac('sha256', this.key).update(rootTag).update(numbers).update(sum).digest('hex');
  }

  #hash(member: Buffer): bigint {
    return BigInt(`0x${createHmac('sha256', this.key).update(memberTag).update(member).digest('hex')}`);
  }
}
