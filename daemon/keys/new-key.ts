import type { KeyRecord } from './record.js';

/** What a key's record says where nobody asked for anything else. */
export const keyDefaults = {
  description: '',
  enabled: true,
  multiRegion: false,
  origin: 'AWS_KMS',
  keyManager: 'CUSTOMER',
  tags: [],
} as const satisfies Partial<KeyRecord>;
