// The table of jobs. A new job is a name here and a definition in a file of this folder.
import { readData, replaceData } from './data-objects.js';
import {
  dataKey,
  dataKeyPair,
  dataKeyPairWithoutPlaintext,
  dataKeyWithoutPlaintext,
  random,
} from './data-keys.js';
import { decapsulate, encapsulate } from './encapsulation.js';
import { decrypt, encrypt, reEncrypt } from './encryption.js';
import { forgetKey, probe, refreshHandles } from './handles.js';
import { importPlaintext, importWrapped } from './importing.js';
import type { JobKind } from './job.js';
import { destroy, exists, generateKey, generateKeyPair, inspect, publicKey } from './key-objects.js';
import { proveMaterial, unwrapFromLink, wrapForLink } from './links.js';
import { deriveSharedSecret, sign, verify } from './signatures.js';
import { start } from './start.js';

const specs = {
  ...{ start, refreshHandles, forgetKey, probe },
  ...{ generateKey, generateKeyPair, importWrapped, importPlaintext, destroy },
  ...{ exists, inspect, publicKey },
  ...{ random, encrypt, decrypt, reEncrypt, dataKey, dataKeyWithoutPlaintext },
  ...{ dataKeyPair, dataKeyPairWithoutPlaintext },
  ...{ wrapForLink, unwrapFromLink, proveMaterial },
  ...{ sign, verify, deriveSharedSecret, readData, replaceData, encapsulate, decapsulate },
};

/** The name of a job. */
export type JobName = keyof typeof specs;

type Jobs = {
  readonly [Name in JobName]: (typeof specs)[Name] & { readonly name: Name; readonly code: number };
};

/** The jobs by name. */
export const jobs = Object.fromEntries(
  Object.entries(specs).map(([name, spec], code) => [name, { ...spec, name, code }]),
) as unknown as Jobs;

/** Any job of the table. */
export type AnyJob = JobKind & { readonly name: JobName };

/** The jobs by their code in a frame. */
export const jobsByCode: readonly AnyJob[] = Object.values(jobs);
