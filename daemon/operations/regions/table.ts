// The table of what other Regions may ask.
import { makeServiceEvent } from '../../audit/event.js';
import { exceptions } from '../../../proto/errors.js';
import { toServiceError } from '../../pipeline/error-mapping.js';
import {
  type PeerMessageName,
  peerMessages,
  type PeerRequest,
  type PeerResponse,
} from '../../regions/messages.js';
import type { PeerHandler } from '../../regions/peer.js';
import { Pace } from './pace.js';
import type { PeerContext } from './peer-context.js';
import { abandonReplicaKey, createReplicaKey } from './replica-creation.js';
import { preparePrimary } from './primary-change.js';
import { replicaKeyDeleted, replicaMaterials } from './replica-reports.js';
import { synchronizeKey } from './synchronization.js';

type Handlers = {
  readonly [Name in PeerMessageName]: (
    context: PeerContext,
    request: PeerRequest<Name>,
  ) => Promise<PeerResponse<Name>>;
};

const handlers: Handlers = {
  CreateReplicaKey: createReplicaKey,
  AbandonReplicaKey: abandonReplicaKey,
  SynchronizeKey: synchronizeKey,
  PreparePrimary: preparePrimary,
  ReplicaMaterials: replicaMaterials,
  ReplicaKeyDeleted: replicaKeyDeleted,
};

function isMessageName(name: string): name is PeerMessageName {
  return Object.hasOwn(peerMessages, name);
}

/** Lets what is written to the audit log keep a pace. */
function paced(recorder: PeerContext['recorder'], pace: Pace): PeerContext['recorder'] {
  return {
    checkAvailable: () => recorder.checkAvailable(),
    async append(event) {
      await pace.turn();
      return recorder.append(event);
    },
    async commit(change, event) {
      await pace.turn();
      return recorder.commit(change, event);
    },
  };
}

/** Makes the handler of other Regions' requests. Requests about one key run one after another. */
export function peerHandler({ services, recorder }: Pick<PeerContext, 'services' | 'recorder'>): PeerHandler {
  const last = new Map<string, Promise<unknown>>();
  const paces = new Map<string, Pace>();
  const { account, region } = services.keyring.namer;
  return async (from, name, body) => {
    if (!isMessageName(name))
      throw new exceptions.UnsupportedOperationException(`There is no request '${name}'.`);
    const decoded = peerMessages[name].request.safeParse(body);
    if (!decoded.success) throw new exceptions.ValidationException(`The request is not one of ${name}.`);
    const request = decoded.data;
    const keyId = 'properties' in request ? request.properties.keyId : request.keyId;
    const event: PeerContext['event'] = (eventName, key, details) =>
      makeServiceEvent(eventName, account, region, { ...details, requestedBy: from }, key.arn);
    const perform = handlers[name] as (context: PeerContext, request: unknown) => Promise<unknown>;
    const before = last.get(keyId);
    const pace = paces.get(from) ?? new Pace();
    paces.set(from, pace);
    const running = (async () => {
      await before?.catch(() => undefined);
      return perform({ from, services, recorder: paced(recorder, pace), event }, request);
    })();
    last.set(keyId, running);
    try {
      return await running;
    } catch (error) {
      throw toServiceError(error);
    } finally {
      if (last.get(keyId) === running) last.delete(keyId);
    }
  };
}
