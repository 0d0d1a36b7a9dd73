/** Operations of AWS KMS that Keyhold leaves out, and why. */
export const excludedOperations: ReadonlyMap<string, string> = new Map([
  ['ReplicateKey', 'Keyhold serves one Region: a primary multi-Region key has no replicas yet.'],
  ['UpdatePrimaryRegion', 'Keyhold serves one Region: a primary multi-Region key has no replicas yet.'],
]);
