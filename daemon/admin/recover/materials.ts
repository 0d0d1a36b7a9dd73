// keyhold recover materials KEY: restores the record of key material that is in the token under the key's label but in no
// record, after an older metadata store was accepted. Only a ciphertext can prove which material it was made with.
import { readFileSync } from 'node:fs';
import { whileWaiting } from '../../../proto/progress.js';
import { Command } from 'commander';
import { ConfigError } from '../../config/load.js';
import { HsmError, type KeyStore } from '../../hsm/key-store.js';
import { type CiphertextBlob, decodeBlob } from '../../../proto/formats/ciphertext.js';
import { canonicalContext } from '../../../proto/formats/encryption-context.js';
import {
  inspectToken,
  intendedObjects,
  type Key,
  type KeyRecord,
  Keyring,
  locationOf,
  Namer,
  putKey,
} from '../../keys/index.js';
import { loadRecords } from '../../app/opening/open-home.js';
import { makeServiceEvent } from '../../audit/event.js';
import { addHomeOption, homeOf, runProgram } from '../program.js';
import { addYesOption, confirm } from './confirmation.js';
import { commitAudited, type StoppedHome, withStoppedHome } from './stopped-home.js';

interface Options {
  readonly ciphertext?: string;
  readonly encryptionContext?: readonly string[];
  readonly yes?: boolean;
}

async function recover(home: StoppedHome, identifier: string, options: Options): Promise<number> {
  const { store, instance, keyStore } = home;
  const opened = await whileWaiting('reading the records', loadRecords(store, instance, keyStore));
  const { account, region } = instance;
  const keyring = new Keyring(opened.records, new Namer(account, region));
  const key = keyring.find(identifier);
  const { keyId, origin } = key.record;
  // Importing it again also restores its expiry, which only the record had.
  if (origin === 'EXTERNAL')
    throw new ConfigError(
      `The key material of ${key.arn} was imported: import it again with the daemon running.`,
    );
  const { unclaimed } = inspectToken(
    keyStore.objects,
    keyring.keysIn(undefined),
    undefined,
    intendedObjects(opened.records),
  );
  const candidates = unclaimed.filter((each) => each.keyId === keyId).map(({ objectId }) => objectId);
  if (candidates.length === 0) {
    console.log(`The token has no key material of ${key.arn} besides that in its record.`);
    return 0;
  }
  console.log(`Key material of ${key.arn} that no record names, by CKA_ID: ${candidates.join(', ')}`);
  if (options.ciphertext === undefined) {
    console.log(
      'Nothing was changed. Name a ciphertext made with the material by --ciphertext FILE, and its encryption context: this ' +
        'shows which material it is.',
    );
    return 1;
  }
  const blob = readBlob(options.ciphertext, key);
  const context = Object.fromEntries((options.encryptionContext ?? []).map(pair));
  const objectId = await madeBy(keyStore, candidates, blob, context);
  if (objectId === undefined)
    throw new ConfigError(
      'None of them decrypts the ciphertext: check that it is intact, and that it was made with this encryption context.',
    );
  await confirm(
    home.home,
    opened,
    `${key.arn} gets the key material ${blob.materialId} (CKA_ID ${objectId}) that made the ciphertext, for decryption only.`,
    options.yes,
  );
  const changes = () => [putKey(withRecovered(key.record, objectId, blob))];
  const details = { keyId, keyMaterialId: blob.materialId, objectId };
  await commitAudited(
    home,
    opened,
    { changes },
    makeServiceEvent('RecoverKeyMaterial', account, region, details, key.arn),
    false,
  );
  console.log(`${key.arn} has the key material ${blob.materialId} again. It is used for decryption only.`);
  return 0;
}

/** @throws ConfigError */
function readBlob(path: string, { record, arn }: Key): CiphertextBlob {
  const bytes = readFileSync(path);
  const text = bytes.toString('latin1').replace(/\s/g, '');
  const isBase64 = /^[A-Za-z0-9+/]+=*$/.test(text);
  const blob = decodeBlob(bytes) ?? (isBase64 ? decodeBlob(Buffer.from(text, 'base64')) : undefined);
  if (blob?.keyId !== record.keyId) throw new ConfigError(`${path} is not a ciphertext of ${arn}.`);
  return blob;
}

function pair(text: string): [string, string] {
  const at = text.indexOf('=');
  if (at < 1) throw new ConfigError(`'${text}' is not a pair of an encryption context: write name=value.`);
  return [text.slice(0, at), text.slice(at + 1)];
}

/** Finds the object with which a ciphertext was made. @returns its CKA_ID in hex */
async function madeBy(
  keyStore: KeyStore,
  candidates: readonly string[],
  { suite, header, iv, ciphertext }: CiphertextBlob,
  context: Record<string, string>,
): Promise<string | undefined> {
  const aad = Buffer.concat([header, canonicalContext(context)]);
  for (const objectId of candidates) {
    const cipherKey = { suite, id: Buffer.from(objectId, 'hex') };
    try {
      (await keyStore.decrypt(cipherKey, aad, { iv, ciphertext })).fill(0);
      return objectId;
    } catch (error) {
      const isOther =
        error instanceof HsmError &&
        ['invalid-ciphertext', 'no-such-object', 'unsupported'].includes(error.code);
      if (!isOther) throw error;
    }
  }
  return undefined;
}

/** Adds it as an older material, because the number of messages that it encrypted is unknown. */
function withRecovered(
  record: KeyRecord,
  objectId: string,
  { materialId, suite }: CiphertextBlob,
): KeyRecord {
  const createdAt = Date.now() / 1000;
  const location = record.customKeyStoreId === undefined ? undefined : locationOf(undefined);
  const recovered = { materialId, objectId, suite, createdAt, location };
  return {
    ...record,
    materials: [...record.materials.slice(0, -1), recovered, ...record.materials.slice(-1)],
  };
}

const program = addYesOption(addHomeOption(new Command('keyhold recover materials')))
  .description(
    'Restores key material that is in the HSM but in no record, after an older metadata store was accepted. Stop the daemon ' +
      'first; the HSM must be available. Without --ciphertext it lists such material, and changes nothing.',
  )
  .argument('<key>', 'key ID, key ARN, alias name or alias ARN')
  .option('--ciphertext <file>', 'a ciphertext made with the material, as bytes or in base64')
  .option('--encryption-context <pairs...>', 'encryption context of the ciphertext: name=value');

await runProgram(program, () =>
  withStoppedHome(homeOf(program), (stopped) => recover(stopped, program.args[0]!, program.opts<Options>())),
);
