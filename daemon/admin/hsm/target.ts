// Selects the token for the HSM programs: one of keyhold.yaml, or one that their options name.
import { ConfigError, loadConfig } from '../../config/load.js';
import type { PinSource, TokenConfig } from '../../config/schema.js';
import { defaultStore } from '../../app/opening/open-key-store.js';

/** Options that name a token and its PIN. */
export interface TargetOptions {
  /** Name of a profile; default: that of the default key store. */
  readonly profile?: string | undefined;
  readonly tokenLabel?: string | undefined;
  readonly tokenSerial?: string | undefined;
  readonly tokenSlot?: number | undefined;
  readonly user?: string | undefined;
  /** The PIN of a token that keyhold.yaml does not name: a file, relative to the home, or an environment variable. */
  readonly pinFile?: string | undefined;
  readonly pinEnv?: string | undefined;
}

/** A token and the name of its key store. */
export interface Target {
  /** `default`, a cluster's ID, or `doctor-…`: the name of the latch of refused logins. */
  readonly name: string;
  readonly token: TokenConfig & { readonly pin?: PinSource | undefined };
}

/** Returns the PIN source that options name. */
export function pinOf({ pinFile, pinEnv }: TargetOptions): PinSource | undefined {
  if (pinFile !== undefined) return { file: pinFile };
  return pinEnv === undefined ? undefined : { env: pinEnv };
}

/** Makes the name of the latch of a token that keyhold.yaml does not name. @param kind profile or module */
export function latchName(
  kind: string,
  { tokenLabel, tokenSerial, tokenSlot }: Omit<TargetOptions, 'profile'>,
): string {
  return `doctor-${kind}-${tokenLabel ?? tokenSerial ?? tokenSlot}`.replace(/[^A-Za-z0-9-]/g, '_');
}

/**
 * Returns the token that options name, or the default one of keyhold.yaml.
 * @throws ConfigError
 */
export function targetOf(home: string, options: TargetOptions): Target {
  const { profile, tokenLabel, tokenSerial, tokenSlot, user } = options;
  if (tokenLabel !== undefined || tokenSerial !== undefined || tokenSlot !== undefined) {
    if (profile === undefined)
      throw new ConfigError('--token-… names a token of a --profile: add --profile NAME.');
    const token = { profile, tokenLabel, tokenSerial, tokenSlot, user, pin: pinOf(options) };
    return { name: latchName(profile, options), token };
  }
  const { hsm, clusters } = loadConfig(home);
  if (profile === undefined || profile === hsm.profile) return { name: defaultStore, token: hsm };
  const found = Object.entries(clusters).find(([, cluster]) => cluster.profile === profile);
  if (found) return { name: found[0], token: found[1] };
  throw new ConfigError(`keyhold.yaml has no token of profile '${profile}': name one with --token-label.`);
}
