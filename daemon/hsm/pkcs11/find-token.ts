// Finds a token by its name, and checks that a user can log in to it.
import type { Module, Slot, Token } from 'graphene-pk11';
import { HsmError } from '../key-store.js';
import { TokenFlag } from './graphene.js';

/** Which token: all that is given must match. */
export interface TokenName {
  readonly label?: string;
  readonly serial?: string;
  /** CK_SLOT_ID. */
  readonly slot?: number;
}

/** An initialised token and its slot. */
export interface FoundToken {
  readonly slot: Slot;
  readonly token: Token;
}

/** CK_SLOT_ID of a slot. */
export function slotId({ handle }: Slot): number {
  return handle.readUInt32LE(0);
}

/** Whether a token has a flag of CK_TOKEN_INFO. */
export function hasFlag({ flags }: Token, flag: number): boolean {
  return (flags & flag) !== 0;
}

/**
 * Finds the one initialised token that has a name. Slot numbers move with many modules; labels and serial numbers stay.
 * @throws HsmError 'no-token' that lists the tokens that are there; 'unavailable' where several have the name
 */
export function findToken(module: Module, name: TokenName): FoundToken {
  const present: FoundToken[] = [...module.getSlots(true)]
    .filter((slot) => name.slot === undefined || slotId(slot) === name.slot)
    .map((slot) => ({ slot, token: slot.getToken() }))
    .filter(({ token }) => hasFlag(token, TokenFlag.TOKEN_INITIALIZED));
  const matching = present.filter(
    ({ token }) =>
      // graphene takes the padding off both ends of what a token says.
      (name.label === undefined || token.label === name.label.trim()) &&
      (name.serial === undefined || token.serialNumber === name.serial.trim()),
  );
  const [first, second] = matching;
  if (first === undefined) {
    const there = present.map(({ token }) => `"${token.label}" (${token.serialNumber})`);
    throw new HsmError(
      'no-token',
      `There is no initialised token with ${describeName(name)}. ` +
        (there.length > 0
          ? `There are, by label and serial number: ${there.join(', ')}.`
          : 'The module shows no initialised token at all: initialise one, or correct the module’s configuration.'),
    );
  }
  if (second !== undefined)
    throw new HsmError(
      'unavailable',
      `More than one token has ${describeName(name)}: choose one by its serial number: ` +
        `${matching.map(({ token }) => token.serialNumber).join(', ')}.`,
    );
  return first;
}

/** A token's name for a human, such as `label "keyhold" and slot id 3`. */
function describeName({ label, serial, slot }: TokenName): string {
  return [
    label !== undefined && `label "${label}"`,
    serial !== undefined && `serial number ${serial}`,
    slot !== undefined && `slot id ${slot}`,
  ]
    .filter(Boolean)
    .join(' and ');
}

/** How a program is to log in. */
export interface LoginConditions {
  /** The PIN is given at the device (CKF_PROTECTED_AUTHENTICATION_PATH). */
  readonly protectedPath?: boolean | undefined;
  /** No login where the token says that a wrong PIN was given before. */
  readonly sparesTries: boolean;
}

/**
 * Checks a token's flags before a login.
 * @throws HsmError 'no-user-pin', 'pin-locked', or 'unavailable', that says why a login would fail or do harm
 */
export function assertUsable(
  token: Token,
  tokenName: TokenName,
  { protectedPath, sparesTries }: LoginConditions,
): void {
  const name = `The token with ${describeName(tokenName)}`;
  if (protectedPath) {
    if (hasFlag(token, TokenFlag.PROTECTED_AUTHENTICATION_PATH)) return;
    // It would take the empty PIN for a wrong one.
    throw new HsmError(
      'unavailable',
      `${name} takes its PIN from programs: its profile must not say protectedPath.`,
    );
  }
  if (!hasFlag(token, TokenFlag.USER_PIN_INITIALIZED))
    throw new HsmError('no-user-pin', `${name} has no user PIN yet: set one with the module’s own tool.`);
  if (hasFlag(token, TokenFlag.USER_PIN_LOCKED))
    throw new HsmError('pin-locked', `${name} has locked its user PIN: unlock it with the SO PIN.`);
  if (sparesTries && hasFlag(token, TokenFlag.USER_PIN_COUNT_LOW | TokenFlag.USER_PIN_FINAL_TRY))
    throw new HsmError(
      'unavailable',
      `${name} was given a wrong PIN before, and the tries that are left are not for trying out.`,
    );
}
