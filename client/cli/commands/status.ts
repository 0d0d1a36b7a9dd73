// keyhold status: the status of the daemon on one screen.
import type { Command } from 'commander';
import type { GetStatusResponse } from '../../../proto/generated/messages.js';
import { shapeByName } from '../../../proto/schema/descriptor.js';
import { shown } from '../../../proto/text.js';
import { addOutputOptions, type OutputOptions, print, toAwsNames } from '../output/output.js';
import { type Screen, standardScreen } from '../output/style.js';
import { durationText, relativeText, timeText } from '../output/times.js';
import { endpointText, withClient } from '../session.js';
import { ownVersion } from '../version.js';

/** Adds `keyhold status`. */
export function addStatusCommand(program: Command): void {
  const command = program
    .command('status')
    .helpGroup('At a glance:')
    .description(
      'Shows the status of the daemon: health, version, HSM workers, audit log, keys, and what is due.',
    )
    .action((options: OutputOptions) =>
      withClient(async (client) => {
        const status = await client.getStatus({});
        const json = toAwsNames(shapeByName.get('GetStatus')!.response, { ...status });
        await print(json, options, () => statusText(status, standardScreen()));
      }, 'GetStatus'),
    );
  addOutputOptions(command);
}

const labelWidth = 10;

/** Formats the status for people. */
export function statusText(status: GetStatusResponse, { paint, width }: Screen): string {
  const { healthy, version, startDate, region, profile, keyStores = [], audit, keys = [], due = [] } = status;
  const warnings = status.warnings ?? [];
  const verdict = healthy ? paint('green', 'healthy') : paint('red', 'NOT HEALTHY');
  const up = durationText(Math.max(0, Date.now() / 1000 - startDate));
  const own = ownVersion();
  const sections: [label: string, lines: string[]][] = [
    [
      'Daemon',
      [
        `${verdict}, version ${version}, up ${up} since ${timeText(startDate)}`,
        `${endpointText()}, ${region}`,
      ],
    ],
    ['HSM', keyStores.map((store) => storeLine(store, profile, paint))],
    ['Audit', auditLines(audit, paint)],
    ['Keys', [keys.length === 0 ? 'none' : keys.map(({ state, count }) => `${count} ${state}`).join(', ')]],
    ['Due', dueLines(due, status.dueCount)],
    [
      'Warnings',
      warnings.length === 0 ? ['none'] : warnings.flatMap((each) => wrapped(shown(each), width - labelWidth)),
    ],
  ];
  if (version !== own) sections[0]![1].push(`this command line is version ${own}`);
  return sections
    .flatMap(([label, lines]) =>
      lines.map(
        (line, n) =>
          `${n === 0 ? paint('bold', label) + ' '.repeat(labelWidth - label.length) : ' '.repeat(labelWidth)}${line}\n`,
      ),
    )
    .join('');
}

type Store = NonNullable<GetStatusResponse['keyStores']>[number];

function storeLine(
  { name, state, readyWorkers, workers }: Store,
  profile: string,
  paint: Screen['paint'],
): string {
  const title = name === 'default' ? `profile ${profile}` : `custom key store ${name}`;
  const stateText = paint(state === 'connected' ? 'green' : 'red', state);
  if (readyWorkers === undefined || workers === undefined) return `${title}: ${stateText}`;
  const count = `${readyWorkers} of ${workers} workers ready`;
  return `${title}: ${stateText}, ${readyWorkers < workers ? paint('yellow', count) : count}`;
}

function auditLines(
  { available, sequence, sinks = [] }: GetStatusResponse['audit'],
  paint: Screen['paint'],
): string[] {
  const records = `${sequence.toLocaleString('en-US')} records`;
  const first = available ? records : `${paint('red', 'cannot be written')}, ${records}`;
  return [
    first,
    ...sinks.map(({ name, recordsBehind, lastError }) => {
      const behind =
        recordsBehind === 0 ? 'up to date' : `${recordsBehind.toLocaleString('en-US')} records behind`;
      return `sink ${shown(name)}: ${behind}${lastError === undefined ? '' : `: ${paint('red', shown(lastError))}`}`;
    }),
  ];
}

function dueLines(due: readonly { kind: string; subject: string; date: number }[], count: number): string[] {
  if (due.length === 0) return ['nothing'];
  const lines = due.map(({ kind, subject, date }) => {
    return `${kind.padEnd('certificate'.length)}  ${relativeText(date).padEnd(9)}  ${shown(subject)}`;
  });
  return count > due.length ? [...lines, `and ${count - due.length} more`] : lines;
}

/** Breaks a sentence into lines. */
function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(lines.length === 0 ? `- ${word}` : `  ${word}`);
  }
  return lines;
}
