// PrepareRegionLink, CompleteRegionLink, ListRegionLinks, DeleteRegionLink: this daemon's part of the links to other Regions.
// The ceremony of the security officers makes the keys in the HSM. Connections follow the records.
import { exceptions } from '../../../proto/errors.js';
import type { RegionLink } from '../../../proto/generated/messages.js';
import { putKey, separated } from '../../keys/index.js';
import { type AnyOperation, operation, type Services } from '../../pipeline/operation.js';
import {
  completeGenerations,
  deleteRegionLink,
  findRegionLink,
  isComplete,
  type LinkGenerationRecord,
  linkIdOf,
  linkSecretName,
  preparedGeneration,
  putRegionLink,
  type RegionLinkRecord,
  regionLinks,
} from '../../regions/links/link-record.js';
import { deletedReplicaPrefix, deletedReplicaRecord } from '../../regions/deleted-replicas.js';
import { makeTlsIdentity } from '../../regions/links/tls-identity.js';
import {
  checkLinkable,
  checkLinkKeys,
  checkPeer,
  generationToComplete,
  nextGeneration,
} from './region-link-checks.js';

const prepareRegionLink = operation({
  name: 'PrepareRegionLink',
  service: 'keyhold',
  readOnly: false,
  permissions: [{ action: 'keyhold:PrepareRegionLink' }],
  audited: ['peerRegion', 'generation'],
  auditedResponse: ({ linkId, generation, endpoint }) => ({ linkId, generation, endpoint }),
  async handle({ request: { peerRegion, generation: wanted }, services }) {
    const { records, regions } = services;
    const endpoint = checkLinkable(services, peerRegion);
    const before = findRegionLink(records, peerRegion);
    const generation = nextGeneration(before, wanted);
    const linkId = linkIdOf(regions.own, peerRegion);
    const answer = (certificate: string) => ({
      linkId,
      generation,
      ownRegion: regions.own,
      endpoint,
      certificate: Buffer.from(certificate, 'base64'),
    });
    const prepared = preparedGeneration(before);
    if (prepared?.generation === generation) return { response: answer(prepared.certificate) };
    const made = await makeGeneration(services, peerRegion, linkId, generation);
    const { createdAt } = made;
    return {
      response: answer(made.certificate),
      changes: () => {
        const record = findRegionLink(records, peerRegion);
        if (
          nextGeneration(record, wanted) !== generation ||
          preparedGeneration(record)?.generation === generation
        )
          throw new exceptions.ConflictException(
            `Another request prepared or completed the link to ${peerRegion} at the same time. Try again.`,
          );
        const generations = [...(record?.generations ?? []).filter(isComplete), made];
        const known = record ?? { region: peerRegion, linkId, createdAt, generations };
        return [putRegionLink({ ...known, generations })];
      },
    };
  },
});

const completeRegionLink = operation({
  name: 'CompleteRegionLink',
  service: 'keyhold',
  readOnly: false,
  permissions: [{ action: 'keyhold:CompleteRegionLink' }],
  audited: ['peerRegion', 'generation', 'endpoint'],
  async handle({ request, services }) {
    const { peerRegion, generation, endpoint } = request;
    checkLinkable(services, peerRegion);
    const { record } = generationToComplete(services, peerRegion, generation);
    checkPeer(services, peerRegion, request);
    await checkLinkKeys(services, peerRegion, { link: record.linkId, generation });
    const certificate = Buffer.from(request.certificate).toString('base64');
    const signingKey = Buffer.from(request.signingKey).toString('base64');
    const peer = { endpoint, certificate, signingKey, completedAt: Date.now() / 1000 };
    return {
      response: {},
      changes: () => {
        checkPeer(services, peerRegion, request);
        const { record, prepared } = generationToComplete(services, peerRegion, generation);
        if (prepared.peer) {
          checkIsSame(peerRegion, prepared, peer);
          return [];
        }
        const others = record.generations.filter((each) => each !== prepared);
        return [putRegionLink({ ...record, generations: [...others, { ...prepared, peer }] })];
      },
    };
  },
});

const listRegionLinks = operation({
  name: 'ListRegionLinks',
  service: 'keyhold',
  readOnly: true,
  permissions: [{ action: 'keyhold:ListRegionLinks' }],
  audited: [],
  handle: ({ services }) => ({
    response: { links: [...regionLinks(services.records)].map((record) => entryOf(services, record)) },
  }),
});

const deleteRegionLinkOperation = operation({
  name: 'DeleteRegionLink',
  service: 'keyhold',
  readOnly: false,
  permissions: [{ action: 'keyhold:DeleteRegionLink' }],
  audited: ['peerRegion', 'forgetKeys'],
  auditedResponse: (response) => response,
  handle({ request: { peerRegion, forgetKeys = false }, services }) {
    const changes = () => {
      const separated = forgetKeys ? separations(services, peerRegion) : [];
      // An earlier request may have deleted the link and kept the keys.
      if (!findRegionLink(services.records, peerRegion) && separated.length === 0)
        throw new exceptions.NotFoundException(`There is no link to ${peerRegion}.`);
      return [deleteRegionLink(peerRegion), ...separated];
    };
    return {
      response: { separatedKeys: changes().length - 1 },
      changes: () => [...changes(), ...(forgetKeys ? forgottenDeletions(services, peerRegion) : [])],
    };
  },
});

export const regionLinkOperations: readonly AnyOperation[] = [
  prepareRegionLink,
  completeRegionLink,
  listRegionLinks,
  deleteRegionLinkOperation,
];

/** The changes of the keys that have related keys in a Region which does not come back. */
function separations({ keyring }: Services, peerRegion: string) {
  const now = Date.now() / 1000;
  return [...keyring.keyIds('mrk-')].flatMap((keyId) => {
    const record = keyring.key(keyId)?.record;
    const alone = record && separated(record, peerRegion, keyring.namer.region, now);
    return alone ? [putKey(alone)] : [];
  });
}

/** The changes that forget deleted replica keys whose primary Region does not come back. */
function forgottenDeletions({ records }: Services, peerRegion: string) {
  return [...records.keys(deletedReplicaPrefix)].flatMap((key) => {
    const { primaryRegion } = deletedReplicaRecord.parse(JSON.parse(records.get(key) ?? ''));
    return primaryRegion === peerRegion ? [{ key, value: undefined }] : [];
  });
}

/** Makes the TLS identity of a generation, with its private key sealed. */
async function makeGeneration(
  { secrets }: Services,
  peerRegion: string,
  linkId: string,
  generation: number,
): Promise<LinkGenerationRecord> {
  const { certificate, key } = await makeTlsIdentity({ link: linkId, generation });
  try {
    const sealed = await secrets.seal(linkSecretName(peerRegion, generation), key);
    return {
      generation,
      createdAt: Date.now() / 1000,
      certificate: certificate.toString('base64'),
      key: sealed.toString('base64'),
    };
  } finally {
    key.fill(0);
  }
}

/** Checks that a generation that is complete already was completed with the same peer. @throws ConflictException */
function checkIsSame(
  peerRegion: string,
  { generation, peer }: LinkGenerationRecord,
  given: { readonly endpoint: string; readonly certificate: string; readonly signingKey: string },
): void {
  const members = ['endpoint', 'certificate', 'signingKey'] as const;
  if (members.every((name) => peer?.[name] === given[name])) return;
  throw new exceptions.ConflictException(
    `Generation ${generation} of the link to ${peerRegion} is complete with another certificate, key or endpoint. ` +
      `Begin again on both sides: keyhold region link --generation ${generation + 1}.`,
  );
}

function entryOf({ regions }: Services, record: RegionLinkRecord): RegionLink {
  const complete = completeGenerations(record);
  const connection = regions.connectionOf(record.region);
  return {
    peerRegion: record.region,
    linkId: record.linkId,
    status: complete.length > 0 ? 'LINKED' : 'PREPARED',
    generation: complete[0]?.generation ?? 0,
    preparedGeneration: preparedGeneration(record)?.generation,
    generations: complete.map(({ generation }) => generation),
    creationDate: record.createdAt,
    endpoint: complete[0]?.peer.endpoint,
    connection: connection?.state,
    problem: connection?.problem,
    pendingKeys: regions.pendingKeys(record.region),
  };
}
