// The session of a ceremony. One process has one login at a time: first the security officer's, then the user's.
import pkcs11, { type Attribute, type Handle } from 'pkcs11js';
import type { Module, Slot } from 'graphene-pk11';
import { HsmError } from '../key-store.js';
import { assertUsable, findToken, hasFlag, type TokenName } from '../pkcs11/find-token.js';
import { SessionFlag, TokenFlag } from '../pkcs11/graphene.js';
import { closeModule, loadModule, type ModuleSettings } from '../pkcs11/module.js';
import { toHsmError } from '../pkcs11/return-values.js';
import { restoreTokenFiles, TokenFiles } from '../pkcs11/token-files.js';
import type { TokenFileFormat } from '../start-settings.js';

/** The token of a ceremony. */
export interface CeremonyToken extends ModuleSettings {
  readonly token: TokenName;
  readonly tokenFiles?: TokenFileFormat | undefined;
}

/** Asks for a PIN, UTF-8. It is called once for a login, and what it returns is wiped after the login. */
export type AskPin = () => Buffer | Promise<Buffer>;

const findChunk = 256;

/** A read-write session with the objects of a token. */
export class OfficerSession {
  readonly #files: TokenFiles | undefined;

  private constructor(
    readonly library: string,
    private readonly loaded: Module,
    readonly slot: Slot,
    readonly session: Handle,
    hasFiles: boolean,
  ) {
    this.#files = hasFiles ? TokenFiles.of(slot) : undefined;
  }

  get module(): pkcs11.PKCS11 {
    return this.loaded.lib;
  }

  /** As workers have it; no template of a link has attributes that a profile omits. */
  readonly omittedAttributes: ReadonlySet<number> = new Set();

  /** Loads the module and opens a session that nobody is logged in to. @throws HsmError */
  static open(settings: CeremonyToken): OfficerSession {
    if (settings.tokenFiles) restoreTokenFiles();
    const module = loadModule(settings);
    try {
      const { slot, token } = findToken(module, settings.token);
      assertUsable(token, settings.token, { sparesTries: true });
      if (hasFlag(token, TokenFlag.SO_PIN_LOCKED | TokenFlag.SO_PIN_FINAL_TRY | TokenFlag.SO_PIN_COUNT_LOW))
        throw new HsmError(
          'pin-locked',
          'The token reports wrong PINs of its security officer, or has locked it: nothing was tried.',
        );
      const { handle } = slot.open(SessionFlag.SERIAL_SESSION | SessionFlag.RW_SESSION);
      return new OfficerSession(settings.library, module, slot, handle, settings.tokenFiles !== undefined);
    } catch (error) {
      closeModule(module);
      throw toHsmError(error);
    }
  }

  /**
   * Logs in, and out again when the work is done.
   * @throws HsmError 'login-refused' or 'pin-locked'; what the work throws
   */
  async as<T>(user: 'officer' | 'user', askPin: AskPin, work: () => T | Promise<T>): Promise<T> {
    await this.login(user, askPin);
    try {
      return await work();
    } finally {
      this.module.C_Logout(this.session);
    }
  }

  /** Logs in. pkcs11js takes a string, which cannot be wiped. @throws HsmError 'login-refused' or 'pin-locked' */
  async login(user: 'officer' | 'user', askPin: AskPin): Promise<void> {
    const pin = await askPin();
    try {
      const type = user === 'officer' ? pkcs11.CKU_SO : pkcs11.CKU_USER;
      this.module.C_Login(this.session, type, pin.toString('utf8'));
      this.#files?.loggedIn();
    } catch (error) {
      const { code, message } = toHsmError(error);
      throw new HsmError(
        code,
        `The ${user === 'officer' ? 'security officer' : 'user'} cannot log in: ${message}`,
      );
    } finally {
      pin.fill(0);
    }
  }

  /** Finds objects. */
  find(template: readonly Attribute[]): Handle[] {
    const { module, session } = this;
    const found: Handle[] = [];
    module.C_FindObjectsInit(session, [...template]);
    try {
      for (let chunk; (chunk = module.C_FindObjects(session, findChunk)).length > 0;) found.push(...chunk);
    } finally {
      module.C_FindObjectsFinal(session);
    }
    return found;
  }

  /** Finds token objects by CKA_ID. */
  findById(id: Buffer): Handle[] {
    return this.find([
      { type: pkcs11.CKA_TOKEN, value: true },
      { type: pkcs11.CKA_ID, value: id },
    ]);
  }

  /** Destroys objects. */
  destroy(handles: readonly Handle[]): void {
    for (const handle of handles) this.module.C_DestroyObject(this.session, handle);
  }

  /** Makes created and destroyed token objects durable. */
  sync(): void {
    this.#files?.sync();
  }

  /** Ends the session and all its session objects, and unloads the module. */
  close(): void {
    try {
      this.module.C_CloseSession(this.session);
    } finally {
      closeModule(this.loaded);
    }
  }
}
