// Times of the pool.

/** Milliseconds between two looks at deadlines. */
export const sweepEvery = 100;
/**
 * Maximum time in milliseconds that counts between two sweeps. For the rest the daemon itself was paused (SIGSTOP, a paused
 * virtual machine, a blocked event loop), which is no worker's fault.
 */
export const longestStep = 2 * sweepEvery;
/** Milliseconds without work after which a worker is probed. */
export const probeAfter = 1_000;
/** Milliseconds after which a call of a fast job counts as hanging, for the health report. */
export const hangsAfter = 2_000;
/**
 * Maximum time in milliseconds for which jobs that write wait for one that reads the whole token. While one process writes,
 * SoftHSM 2.6.1 lists the token's folder again for each attribute that another process reads (OSToken::index): with 10,000
 * objects and a constant stream of new keys a worker was not ready within 60 s.
 */
export const maxHold = 5_000;
/**
 * Maximum time in milliseconds that a job waits for a free worker. Together with the deadline of a job that has begun this is
 * less than the 30 s that clients wait. Jobs that write may wait as long as the slowest of them takes.
 */
export const defaultPatience = 15_000;
/** Maximum fraction of time spent refreshing handles. */
export const refreshShare = 1 / 10;
