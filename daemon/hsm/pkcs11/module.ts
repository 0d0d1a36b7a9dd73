// Loads a PKCS#11 module with graphene-pk11, for HSM workers and admin programs. The daemon's own process loads none.
import { existsSync } from 'node:fs';
import type { Module } from 'graphene-pk11';
import { HsmError } from '../key-store.js';
import { Module as GrapheneModule } from './graphene.js';
import { toHsmError } from './return-values.js';

/** A module and its initialisation. */
export interface ModuleSettings {
  /** Path of the shared library, or a name that the loader finds. */
  readonly library: string;
  /** Arguments of C_Initialize. */
  readonly initialize?: { readonly flags?: number; readonly libraryParameters?: string };
}

/**
 * Loads and initialises a module (C_Initialize). A process does this once; {@link closeModule} undoes it.
 * @returns the module; its `lib` is the pkcs11js object, which shares the initialisation
 * @throws HsmError 'unavailable', with a message that says what to correct
 */
export function loadModule({ library, initialize }: ModuleSettings): Module {
  let module: Module;
  try {
    module = GrapheneModule.load(library);
  } catch (error) {
    if (library.includes('/') && !existsSync(library))
      throw new HsmError(
        'unavailable',
        `There is no file ${library}: correct the path of the PKCS#11 module.`,
      );
    throw new HsmError(
      'unavailable',
      `${library} is no PKCS#11 module that can be loaded here: ${(error as Error).message}`,
    );
  }
  try {
    // pkcs11js 2.1.7 drops the last character of libraryParameters.
    module.initialize(
      initialize?.libraryParameters === undefined
        ? initialize
        : { ...initialize, libraryParameters: `${initialize.libraryParameters} ` },
    );
  } catch (error) {
    throw new HsmError('unavailable', `${library} does not start: ${toHsmError(error).message}`);
  }
  return module;
}

/** Finalizes a module of {@link loadModule} (C_Finalize) and unloads its library. */
export function closeModule(module: Module): void {
  module.finalize();
  module.close();
}
