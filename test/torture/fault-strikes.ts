// Faults of the PKCS#11 module in a round.
import pkcs11 from 'pkcs11js';
import type { Action } from '../faults/faults.js';
import { childrenOf, within } from '../support/processes.js';
import { type Battlefield, kill, killDaemon, moment, pause, type Strike } from './strikes.js';

/** Functions called by the load, and by a worker's start. */
const functions = [
  ...['C_EncryptInit', 'C_Encrypt', 'C_DecryptInit', 'C_Decrypt', 'C_SignInit', 'C_Sign', 'C_GenerateRandom'],
  ...['C_GenerateKey', 'C_GenerateKeyPair', 'C_CopyObject', 'C_DestroyObject', 'C_UnwrapKey'],
  ...['C_GetAttributeValue', 'C_FindObjectsInit', 'C_FindObjects', 'C_FindObjectsFinal', 'C_GetSessionInfo'],
  ...['C_Initialize', 'C_GetSlotList', 'C_GetTokenInfo', 'C_OpenSession', 'C_Login'],
];

const errors = [
  ...[pkcs11.CKR_DEVICE_ERROR, pkcs11.CKR_GENERAL_ERROR, pkcs11.CKR_HOST_MEMORY, pkcs11.CKR_FUNCTION_FAILED],
  ...[pkcs11.CKR_SESSION_HANDLE_INVALID, pkcs11.CKR_USER_NOT_LOGGED_IN, pkcs11.CKR_TOKEN_NOT_PRESENT],
];

const harmless = { daemonDies: false, workersDie: true, losesRepeatable: true };

/** Makes some functions fail in one way; half of the time a worker starts meanwhile. */
async function suffer(field: Battlefield, action: Action, times: number, argument?: number): Promise<void> {
  const { daemon, faults, random } = field;
  await moment(field);
  for (let some = 0; some < 3; some++)
    faults.add(random.pick(functions), action, { argument, times, after: random.between(0, 10) });
  if (random.chance(0.5)) kill(random.shuffled(childrenOf(daemon.pid)).slice(0, 1));
  await pause(random, 2_000);
}

export const faultStrikes: readonly Strike[] = [
  {
    name: 'errors of a PKCS#11 function',
    ...harmless,
    alsoTolerated: ['KMSInternalException'],
    run: (field) => suffer(field, 'fail', field.random.between(1, 5), field.random.pick(errors)),
  },
  {
    name: 'lost answers of a PKCS#11 function',
    ...harmless,
    run: (field) => suffer(field, 'lose', field.random.between(1, 5), pkcs11.CKR_DEVICE_ERROR),
  },
  {
    name: 'crashes in a PKCS#11 function',
    ...harmless,
    run: (field) => suffer(field, 'crash', field.random.between(1, 3)),
  },
  {
    name: 'a PKCS#11 function that hangs for a while',
    ...harmless,
    run: (field) => suffer(field, 'hang', field.random.between(1, 2)),
  },
  {
    name: 'a PKCS#11 function that hangs for good',
    ...harmless,
    async run(field) {
      const { daemon, faults, random } = field;
      await moment(field);
      const workers = childrenOf(daemon.pid);
      const rule = faults.add(random.pick(functions.slice(0, 7)), 'hang', { times: 1 });
      await within(2_000, () => rule.fired > 0);
      await within(12_000, () => workers.some((pid) => !childrenOf(daemon.pid).includes(pid)));
    },
  },
  {
    name: 'a slow device',
    ...harmless,
    run: (field) => suffer(field, 'delay', 30, field.random.between(20, 200)),
  },
  {
    name: 'a device that is reset',
    ...harmless,
    async run(field) {
      for (let times = field.random.between(1, 3); times > 0; times--) {
        await moment(field);
        field.faults.reset();
      }
      await pause(field.random, 300);
    },
  },
  {
    name: 'logins that are lost',
    ...harmless,
    run: (field) => suffer(field, 'logout', field.random.between(1, 3)),
  },
  {
    name: 'a token that is pulled out and put back',
    ...harmless,
    async run(field) {
      await moment(field);
      const away = field.faults.add('*', 'fail', { argument: pkcs11.CKR_DEVICE_REMOVED });
      await pause(field.random, 3_000);
      field.faults.reset();
      away.clear();
    },
  },
  {
    name: 'a token that is full',
    ...harmless,
    alsoTolerated: ['LimitExceededException'],
    async run(field) {
      await moment(field);
      for (const name of ['C_GenerateKey', 'C_GenerateKeyPair', 'C_UnwrapKey', 'C_CopyObject'])
        field.faults.add(name, 'fail', { argument: pkcs11.CKR_DEVICE_MEMORY });
      await pause(field.random, 1_500);
    },
  },
  {
    name: 'a token with one session',
    ...harmless,
    async run(field) {
      await moment(field);
      field.faults.limitSessions(1);
      kill(childrenOf(field.daemon.pid));
      await pause(field.random, 2_000);
      field.faults.limitSessions(0);
    },
  },
  {
    name: 'the daemon, while the device hangs',
    daemonDies: true,
    workersDie: true,
    losesRepeatable: true,
    async run(field) {
      await moment(field);
      field.faults.add('*', 'hang', { after: field.random.between(0, 30) });
      await pause(field.random, 300);
      await killDaemon(field);
      // The workers cannot notice the end of the channel, and must end nevertheless.
      await pause(field.random, 100);
    },
  },
];
