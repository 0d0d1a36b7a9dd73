// Notifies systemd that the daemon is ready, and that it is still live (sd_notify(3)). Node.js has no unix datagram
// sockets, so systemd-notify(1) sends the messages; the unit has NotifyAccess=all (docs/decisions/code/service-manager.md).
import { execFile } from 'node:child_process';
import { z } from 'zod';
import type { Logger } from '../observability/log.js';

/** Milliseconds that one message may take. */
const patience = 10_000;

/** What systemd passes to a service (sd_notify(3), sd_watchdog_enabled(3)). */
const environment = z.object({
  NOTIFY_SOCKET: z.string().min(1),
  /** Microseconds. */
  WATCHDOG_USEC: z.coerce.number().int().positive().optional(),
});

/**
 * Notifies systemd that the daemon is ready, and then, three times in each watchdog interval, that it is live. While a
 * listener is dead, or the event loop is blocked, nothing is sent, and systemd restarts the daemon at the end of the
 * interval. An absent HSM or a full disk is no reason: a restart brings neither back, and a start needs both. Without
 * systemd nothing happens.
 * @param isLive returns whether clients are answered, as `/livez` says it
 */
export function tellServiceManager(isLive: () => boolean, log: Pick<Logger, 'warn'>): void {
  const parsed = environment.safeParse(process.env);
  if (!parsed.success) return;
  const send = (...messages: string[]) =>
    execFile('systemd-notify', messages, { timeout: patience }, (error) => {
      if (error) log.warn({ err: error }, 'systemd-notify failed: systemd may consider the daemon dead');
    });
  send('--ready', `MAINPID=${process.pid}`);
  const { WATCHDOG_USEC: microseconds } = parsed.data;
  if (microseconds === undefined) return;
  setInterval(() => {
    if (isLive()) send('WATCHDOG=1');
  }, microseconds / 3_000).unref();
}
