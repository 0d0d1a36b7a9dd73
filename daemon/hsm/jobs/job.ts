// What a job is: its values, its limits, and what a worker does for it. Both ends use the same definition.
import type { WorkerSession } from '../worker/session.js';
import { type Codec, codecOf, type FieldsOf } from './codec.js';

/** How the pool treats jobs of a kind. */
export interface JobTraits {
  /** Milliseconds after which a worker that has not answered is killed. */
  readonly deadline: number;
  /** Microseconds that the pool expects it to take until it has measured some. */
  readonly cost: number;
  /** It may run a second time after a worker died. What may not also travels alone. */
  readonly repeatable: boolean;
  /**
   * Makes or destroys token objects, or generates a pair: one worker of a store does all of these, one after another.
   * RSA generation is seconds of CPU, inside the device too. And a process that writes to a SoftHSM 2.6.1 token assumes it
   * has seen other processes' writes (Generation::commit): with two writers, each would miss objects of the other for good.
   */
  readonly writes?: true;
  /** Reads every object of the token. */
  readonly enumerates?: true;
  /** Seconds of CPU. */
  readonly slow?: true;
}

/** A job as its file defines it. */
export interface JobDefinition<Arguments extends object, Result extends object> extends JobTraits {
  readonly arguments: FieldsOf<Arguments>;
  readonly result: FieldsOf<Result>;
  /**
   * What a worker does. `start` has none: it makes the session.
   * @returns values whose bytes are wiped when they were sent
   * @throws HsmError, or what pkcs11js throws
   */
  perform?(this: void, session: WorkerSession, values: NoInfer<Arguments>): NoInfer<Result>;
}

/** A defined job, without its place in the table. */
export interface JobSpec<Arguments extends object, Result extends object> extends JobTraits {
  readonly arguments: Codec<Arguments>;
  readonly result: Codec<Result>;
  /** Does the job in a worker, from bytes to bytes. */
  execute(session: WorkerSession, parts: readonly Buffer[]): Buffer[];
}

/** A job of the table. */
export interface JobKind<Arguments extends object = object, Result extends object = object> extends JobSpec<
  Arguments,
  Result
> {
  readonly name: string;
  /** The job's number in a frame. */
  readonly code: number;
}

/** Makes a job of its definition. */
export function defineJob<Arguments extends object, Result extends object>({
  arguments: fields,
  result: resultFields,
  perform,
  ...traits
}: JobDefinition<Arguments, Result>): JobSpec<Arguments, Result> {
  const [values, result] = [codecOf(fields), codecOf(resultFields)];
  return {
    ...traits,
    arguments: values,
    result,
    execute: (session, parts) => result.encode(perform!(session, values.decode(parts))),
  };
}
