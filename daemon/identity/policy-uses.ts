import type { RoleRecord, UserRecord } from './records.js';

/** Which policies an identity uses. */
type Uses = Pick<UserRecord | RoleRecord, 'policies' | 'boundary'>;

interface Count {
  attached: number;
  boundary: number;
}

/** Counts the identities that use each managed policy. A policy in use cannot be deleted. */
export class PolicyUses {
  readonly #uses = new Map<string, Uses>();
  readonly #counts = new Map<string, Count>();

  /** Sets the policies of an identity. @param uses undefined if it was deleted */
  set(identityId: string, uses: Uses | undefined): void {
    this.#add(this.#uses.get(identityId), -1);
    this.#add(uses, 1);
    if (uses) this.#uses.set(identityId, uses);
    else this.#uses.delete(identityId);
  }

  /** Returns the numbers of identities that use a policy. */
  count(policyName: string): Readonly<Count> {
    return this.#counts.get(policyName) ?? { attached: 0, boundary: 0 };
  }

  #add(uses: Uses | undefined, by: number): void {
    for (const name of uses?.policies ?? []) this.#count(name).attached += by;
    if (uses?.boundary !== undefined) this.#count(uses.boundary).boundary += by;
  }

  #count(policyName: string): Count {
    let count = this.#counts.get(policyName);
    if (!count) this.#counts.set(policyName, (count = { attached: 0, boundary: 0 }));
    return count;
  }
}
