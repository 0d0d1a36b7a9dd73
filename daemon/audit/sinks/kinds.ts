// The kinds of sinks: their settings, and how each delivers.
import type { Delivery } from './delivery.js';
import { journalFormat } from './journal-format.js';
import { StreamDelivery, type StreamSettings } from './stream-delivery.js';
import { type MessageSettings, syslogFormat } from './syslog-message.js';
import { WebhookDelivery, type WebhookSettings } from './webhook-delivery.js';

/** Settings of a sink by syslog. */
export interface SyslogSettings extends StreamSettings, MessageSettings {
  readonly type: 'syslog';
}

/** Settings of a sink to systemd's journal on this machine. */
export interface JournalSettings extends StreamSettings {
  readonly type: 'journal';
  /** SYSLOG_IDENTIFIER of the entries. */
  readonly identifier: string;
}

/** Settings of any sink. */
export type SinkSettings =
  SyslogSettings | JournalSettings | ({ readonly type: 'webhook' } & WebhookSettings);

/** Makes the delivery of a sink. */
export function makeDelivery(settings: SinkSettings): Delivery {
  switch (settings.type) {
    case 'syslog':
      return new StreamDelivery(settings, syslogFormat(settings));
    case 'journal':
      return new StreamDelivery(settings, journalFormat(settings.identifier));
    case 'webhook':
      return new WebhookDelivery(settings);
  }
}
