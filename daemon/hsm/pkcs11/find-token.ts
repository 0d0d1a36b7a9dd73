// Finds a token by label, serial number or slot, and checks that a user can log in to it.
import type { Module, Slot, Token } from 'graphene-pk11';
import { HsmError } from '../key-store.js';
import { TokenFlag } from './graphene.js';

/** Identifies a token: every given member must match. */
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

/** Returns the CK_SLOT_ID of a slot. */
export function slotId({ handle }: Slot): number {
  return handle.readUInt32LE(0);
}

/** Tests a flag of CK_TOKEN_INFO. */
export function hasFlag({ flags }: Token, flag: number): boolean {
  return (flags & flag) !== 0;
}

/**
 * Finds the one initialised token with a name. With many modules slot numbers change; labels and serial numbers do not.
 * @throws HsmError 'no-token', with a list of the tokens that exist; 'unavailable' if several have the name
 */
export function findToken(module: Module, name: TokenName): FoundToken {
  const present: FoundToken[] = [...module.getSlots(true)]
    .filter((slot) => name.slot === undefined || slotId(slot) === name.slot)
    .map((slot) => ({ slot, token: slot.getToken() }))
    .filter(({ token }) => hasFlag(token, TokenFlag.TOKEN_INITIALIZED));
  const matching = present.filter(
    ({ token }) =>
      // graphene trims both ends of the padded strings of CK_TOKEN_INFO.
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

/** Describes a token's name for people, such as `label "keyhold" and slot id 3`. */
function describeName({ label, serial, slot }: TokenName): string {
  return [
    label !== undefined && `label "${label}"`,
    serial !== undefined && `serial number ${serial}`,
    slot !== undefined && `slot id ${slot}`,
  ]
    .filter(Boolean)
    .join(' and ');
}

/** Conditions for a login. */
export interface LoginConditions {
  /** The PIN is entered at the device (CKF_PROTECTED_AUTHENTICATION_PATH). */
  readonly protectedPath?: boolean | undefined;
  /** Do not log in if the token reports that a wrong PIN was given before. */
  readonly sparesTries: boolean;
}

/**
 * Checks a token's flags before a login.
 * @throws HsmError 'no-user-pin', 'pin-locked' or 'unavailable' if a login would fail or use up a try; the message says why
 */
export function assertUsable(
  token: Token,
  tokenName: TokenName,
  { protectedPath, sparesTries }: LoginConditions,
): void {
  const name = `The token with ${describeName(tokenName)}`;
  if (protectedPath) {
    if (hasFlag(token, TokenFlag.PROTECTED_AUTHENTICATION_PATH)) return;
    // The token would count the empty PIN as a wrong one.
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
      `${name} reports an earlier wrong PIN, so Keyhold does not use up the tries that are left: ` +
        'log in once with the module’s own tool to reset the count.',
    );
}
