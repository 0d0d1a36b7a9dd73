// Definition of an HSM job: its values, its limits and the work in the worker. Pool and worker share it.
import type { WorkerSession } from '../worker/session.js';
import { type Codec, codecOf, type FieldsOf } from './codec.js';

/** How the pool schedules jobs of a kind. */
export interface JobTraits {
  /** Milliseconds after which a worker that does not answer is killed. */
  readonly deadline: number;
  /** Expected duration in microseconds, until the pool has measured it. */
  readonly cost: number;
  /** Whether it may run again after a worker died. A job that may not shares its worker with no other. */
  readonly repeatable: boolean;
  /**
   * Creates or destroys token objects, or generates a key pair. One worker of a store does all of these, one after another:
   * generating an RSA key takes seconds of CPU, inside the device too, and a process that writes to a SoftHSM 2.6.1 token
   * assumes it has seen other processes' writes (Generation::commit). With two writers each would miss objects of the
   * other for good.
   */
  readonly writes?: true;
  /** Reads every object of the token. */
  readonly enumerates?: true;
  /** Takes seconds of CPU. */
  readonly slow?: true;
}

/** The definition of a job. */
export interface JobDefinition<Arguments extends object, Result extends object> extends JobTraits {
  readonly arguments: FieldsOf<Arguments>;
  readonly result: FieldsOf<Result>;
  /**
   * Does the work in a worker. Absent for `start`, which makes the session.
   * @returns values whose bytes are wiped once they are sent
   * @throws HsmError, or what pkcs11js throws
   */
  perform?(this: void, session: WorkerSession, values: NoInfer<Arguments>): NoInfer<Result>;
}

/** A job without its name and code, which the table assigns. */
export interface JobSpec<Arguments extends object, Result extends object> extends JobTraits {
  readonly arguments: Codec<Arguments>;
  readonly result: Codec<Result>;
  /** Does the job in a worker, on encoded values. */
  execute(session: WorkerSession, parts: readonly Buffer[]): Buffer[];
}

/** A job with its name and code. */
export interface JobKind<Arguments extends object = object, Result extends object = object> extends JobSpec<
  Arguments,
  Result
> {
  readonly name: string;
  /** The job's number in a frame. */
  readonly code: number;
}

/** Makes a job from its definition. */
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
