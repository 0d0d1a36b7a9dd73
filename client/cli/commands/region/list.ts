// keyhold region list: the links to other Regions in a table.
import type { RegionLink } from '../../../../proto/generated/messages.js';
import { shapeByName } from '../../../../proto/schema/descriptor.js';
import { shown } from '../../../../proto/text.js';
import { type Cell, tableLines } from '../../output/columns.js';
import { type OutputOptions, print, toAwsNames } from '../../output/output.js';
import { type Style, standardScreen } from '../../output/style.js';
import { withClient } from '../../session.js';

/** `keyhold region list` */
export async function listLinks(options: OutputOptions): Promise<void> {
  await withClient(async (client) => {
    const response = await client.listRegionLinks({});
    const json = toAwsNames(shapeByName.get('ListRegionLinks')!.response, { ...response });
    await print(json, options, () => text(response.links ?? []));
  }, 'ListRegionLinks');
}

const header = ['REGION', 'STATUS', 'GENERATION', 'CONNECTION', 'WAITING KEYS', 'ENDPOINT'];
const styles: Readonly<Partial<Record<string, Style>>> = {
  CONNECTED: 'green',
  UNREACHABLE: 'red',
  REFUSED: 'red',
};

function text(links: readonly RegionLink[]): string {
  if (links.length === 0) return "This Region is linked to no other: 'keyhold region link' makes a link.\n";
  const problems = links.flatMap(({ peerRegion, problem }) =>
    problem === undefined ? [] : [`${peerRegion}: ${shown(problem)}`],
  );
  const lines = [...tableLines(header, links.map(row), standardScreen()), ...problems];
  return lines.map((line) => `${line}\n`).join('');
}

function row({
  peerRegion,
  status,
  generation,
  preparedGeneration,
  connection = '-',
  ...link
}: RegionLink): Cell[] {
  const complete = generation > 0 ? String(generation) : '-';
  return [
    { text: peerRegion },
    { text: status },
    { text: preparedGeneration === undefined ? complete : `${complete} (${preparedGeneration} prepared)` },
    { text: connection, style: styles[connection] },
    { text: String(link.pendingKeys) },
    { text: link.endpoint === undefined ? '-' : shown(link.endpoint) },
  ];
}
