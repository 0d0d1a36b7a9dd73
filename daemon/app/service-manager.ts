// What systemd is told of the daemon (sd_notify(3)): that it answers, and that it still does. Node.js has no datagram sockets
// of the unix domain, so systemd-notify(1) sends it; the unit has NotifyAccess=all (docs/decisions/code/service-manager.md).
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
 * Tells systemd that the daemon answers, and then three times in each interval of the watchdog that it is healthy. While it is
 * not, or the event loop stands still, nothing is sent, and systemd restarts the daemon when the interval ends. Does nothing
 * where systemd does not wait for it.
 * @param isHealthy of the daemon, now
 */
export function tellServiceManager(isHealthy: () => boolean, log: Pick<Logger, 'warn'>): void {
  const parsed = environment.safeParse(process.env);
  if (!parsed.success) return;
  const send = (...messages: string[]) =>
    execFile('systemd-notify', messages, { timeout: patience }, (error) => {
      if (error) log.warn({ err: error }, 'systemd-notify failed: systemd may take the daemon for dead');
    });
  send('--ready', `MAINPID=${process.pid}`);
  const { WATCHDOG_USEC: microseconds } = parsed.data;
  if (microseconds === undefined) return;
  setInterval(() => {
    if (isHealthy()) send('WATCHDOG=1');
  }, microseconds / 3_000).unref();
}
