// One caller among many: the context of an action.
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

/** The state of a run. */
export interface World {
  readonly model: Model;
  readonly ledger: Ledger;
  readonly random: Random;
  /** CreateKeys that did not succeed while workers were killed. */
  readonly interruptedKeys: number;
  /** Number of the store's anchors that may be torn, since they are written in the background. */
  readonly interruptedAnchors: number;
  /** Counts an interrupted CreateKey, if workers are being killed. */
  keyInterrupted(): void;
  /** Reports a fault. */
  find(what: string): void;
  /** Whether a request may end this way now, given what is being killed. */
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

  /** A unique name. */
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
   * Changes a key's state; one change at a time is in flight.
   * @param state the key's state afterwards
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

  /** Sends a request, and reports an error that nothing explains. */
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
