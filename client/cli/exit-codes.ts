// The exit statuses of the command line.

/** Exit statuses; 0 is success. Those of `keyhold audit verify` and other programs are in their help. */
export const exitCodes = { refused: 1, usage: 2, noDaemon: 3, interrupted: 130 } as const;
