// One caller among many: what an action works with.
import { randomBytes } from 'node:crypto';
import type { Client, OperationMethods } from '../../client/index.js';
import type { Ledger, Reply } from './ledger.js';
import {
  type KnownCiphertext,
  type KnownKey,
  type KnownState,
  type Model,
  type Refusals,
  StateWatch,
} from './model.js';
import type { Random } from './random.js';

/** Everything that a run knows. */
export interface World {
  readonly model: Model;
  readonly ledger: Ledger;
  readonly random: Random;
  /** CreateKeys that did not succeed while workers were killed. */
  readonly interruptedKeys: number;
  /** How many anchors of the store may have been torn, since they are written in the background. */
  readonly interruptedAnchors: number;
  /** Counts one more, if workers are being killed. */
  keyInterrupted(): void;
  /** Says that something is wrong. */
  find(what: string): void;
  /** Whether a request may end in that way now, given what is being killed. */
  tolerates(method: string, code: string): boolean;
}

export class Lane {
  constructor(
    readonly world: World,
    private readonly client: Client,
  ) {}

  /** A key of origin EXTERNAL. */
  anyExternalKey(): KnownKey | undefined {
    const keys = [...this.world.model.keys.values()].filter(({ material }) => material);
    return keys.length > 0 ? this.world.random.pick(keys) : undefined;
  }

  /** A name that no other request has. */
  newName(): string {
    return randomBytes(9).toString('base64url');
  }

  anyKey(): KnownKey | undefined {
    const keys = [...this.world.model.keys.values()];
    return keys.length > 0 ? this.world.random.pick(keys) : undefined;
  }

  anyCiphertext(): KnownCiphertext | undefined {
    const { ciphertexts } = this.world.model;
    return ciphertexts.length > 0 ? this.world.random.pick(ciphertexts) : undefined;
  }

  /**
   * Calls for a change of a key's state, of which one is under way at a time.
   * @param state what the key is in afterwards
   */
  async changeState<Name extends keyof OperationMethods>(
    key: KnownKey,
    state: KnownState,
    refusals: Refusals,
    method: Name,
    request: NonNullable<Parameters<OperationMethods[Name]>[0]>,
  ): Promise<string> {
    const watch = new StateWatch(refusals, key);
    key.changing = true;
    const { code } = await this.call(method, request, watch);
    if (code === 'ok') key.state = state;
    else if (code === 'unknown') key.state = undefined;
    key.changing = false;
    key.version += 1;
    return code;
  }

  /** Calls, and finds fault with an error that nothing explains. */
  async call<Name extends keyof OperationMethods>(
    method: Name,
    request: NonNullable<Parameters<OperationMethods[Name]>[0]>,
    watch = new StateWatch({}),
  ): Promise<Reply<Awaited<ReturnType<OperationMethods[Name]>>>> {
    const { ledger } = this.world;
    const reply = await ledger.call(this.client, method, request);
    const explained = watch.explains(reply.code);
    if (explained === false || (explained === undefined && !this.world.tolerates(method, reply.code))) {
      this.world.find(`${method} was answered with ${reply.code}, for which there is no reason`);
    }
    return reply;
  }
}
