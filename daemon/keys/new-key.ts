import type { KeyRecord } from './record.js';

/** The default values in a new key's record. */
export const keyDefaults = {
  description: '',
  enabled: true,
  multiRegion: false,
  origin: 'AWS_KMS',
  keyManager: 'CUSTOMER',
  tags: [],
} as const satisfies Partial<KeyRecord>;
