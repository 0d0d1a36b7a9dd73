import { createHmac, createSecretKey, type KeyObject } from 'node:crypto';

const modulus = 256;
/** First bytes of what is hashed: a member is never taken for a root. */
const rootTag = Buffer.of(0);
const memberTag = Buffer.of(1);

/**
 * An incremental hash of a set under a secret key: MSet-Add-Hash (Clarke, Devadas, van Dijk, Gassend and Suh,
 * "Incremental Multiset Hash Functions and Their Application to Memory Integrity Checking", ASIACRYPT 2003). It is the
 * sum modulo 2^256 of HMAC-SHA-256 over each member, so that a member comes or goes at the cost of one HMAC and their
 * order does not matter. Who lacks the key cannot tell which members add up to what, so no other set is found that has
 * the same sum. A plain sum of 256-bit hashes would be open to Wagner's generalized birthday attack (CRYPTO 2002): that is
 * why members are hashed under a key which is nowhere kept, and why the sum itself is never shown, only its HMAC.
 *
 * Immutable: a change gives another one.
 */
export class SetHash {
  private constructor(
    private readonly key: KeyObject,
    private readonly sum: bigint,
    /** Members. */
    readonly count: number,
  ) {}

  /** The empty set. @param key 32 bytes, secret */
  static under(key: Buffer): SetHash {
    return new SetHash(createSecretKey(key), 0n, 0);
  }

  /** @param member must not be in it yet, else it counts twice */
  with(member: Buffer): SetHash {
    return new SetHash(this.key, BigInt.asUintN(modulus, this.sum + this.#hash(member)), this.count + 1);
  }

  /** @param member must be in it */
  without(member: Buffer): SetHash {
    return new SetHash(this.key, BigInt.asUintN(modulus, this.sum - this.#hash(member)), this.count - 1);
  }

  /** What stands for the set in an epoch: 32 bytes, hex. It tells nothing of the sum. */
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
