// Request quotas: how many requests a second each principal may make (KMS Developer Guide, "Request quotas").
import { exceptions } from '../../../proto/errors.js';
import type { OperationName } from '../../../proto/schema/descriptor.js';
import type { AnyOperation } from '../operation.js';

/**
 * Requests a second of one principal. As in AWS KMS, some operations share a quota, and every other operation has its own.
 */
export interface QuotaRates {
  readonly symmetric: number;
  readonly asymmetric: number;
  readonly dataKeyPairs: number;
  /** Of each operation that only reads. */
  readonly reads: number;
  /** Of each operation that changes something. */
  readonly changes: number;
}

const shared: Readonly<Partial<Record<OperationName, keyof QuotaRates>>> = {
  Decrypt: 'symmetric',
  Encrypt: 'symmetric',
  GenerateDataKey: 'symmetric',
  GenerateDataKeyWithoutPlaintext: 'symmetric',
  GenerateMac: 'symmetric',
  GenerateRandom: 'symmetric',
  ReEncrypt: 'symmetric',
  VerifyMac: 'symmetric',
  Decapsulate: 'asymmetric',
  DeriveSharedSecret: 'asymmetric',
  Encapsulate: 'asymmetric',
  Sign: 'asymmetric',
  Verify: 'asymmetric',
  GenerateDataKeyPair: 'dataKeyPairs',
  GenerateDataKeyPairWithoutPlaintext: 'dataKeyPairs',
};

interface Quota {
  readonly index: number;
  /** Requests a second; also the size of a bucket. */
  readonly rate: number;
}

/** Which quota each operation counts against. */
export class Quotas {
  readonly #quotas = new Map<AnyOperation, Quota>();
  /** How many quotas there are. */
  readonly count: number;

  constructor(rates: QuotaRates, operations: Iterable<AnyOperation>) {
    const indexes = new Map<string, number>();
    for (const operation of operations) {
      const family = shared[operation.name];
      const name = family ?? operation.name;
      if (!indexes.has(name)) indexes.set(name, indexes.size);
      const rate = rates[family ?? (operation.readOnly ? 'reads' : 'changes')];
      this.#quotas.set(operation, { index: indexes.get(name)!, rate });
    }
    this.count = indexes.size;
  }

  /** The quota of an operation. */
  of(operation: AnyOperation): Quota {
    return this.#quotas.get(operation)!;
  }
}

/** The token buckets of one principal. One that was never used is full. */
export class Buckets {
  readonly #taken: Float64Array;
  readonly #at: Float64Array;

  constructor({ count }: Quotas) {
    this.#taken = new Float64Array(count);
    this.#at = new Float64Array(count);
  }

  /**
   * Takes a token.
   * @param now milliseconds of a clock that never goes back
   * @throws ThrottlingException if there is none; its `retryAfter` is the time in milliseconds until there is one
   */
  take({ index, rate }: Quota, now: number): void {
    const refilled = ((now - this.#at[index]!) * rate) / 1_000;
    const taken = Math.max(0, this.#taken[index]! - refilled);
    this.#at[index] = now;
    if (taken > rate - 1) {
      this.#taken[index] = taken;
      throw new exceptions.ThrottlingException(
        `You have exceeded the rate at which you may call KMS: ${rate} requests a second. Reduce the frequency of your calls.`,
        { retryAfter: Math.ceil(((taken - rate + 1) * 1_000) / rate) },
      );
    }
    this.#taken[index] = taken + 1;
  }
}
