// The output of `keyhold hsm list`.
import { columns } from '../text-table.js';
import type { MechanismEntry, ModuleEntry, ObjectEntry, SlotEntry } from './inventory.js';
import type { NeededMechanism } from './needed-mechanisms.js';
import type { Owner } from './owners.js';

/** An object and its owner. */
export interface OwnedObject extends ObjectEntry {
  readonly owner: Owner;
}

/** The findings. */
export interface Listing {
  readonly module: ModuleEntry;
  readonly slots: readonly SlotEntry[];
  /** CK_SLOT_ID of the token that Keyhold uses, or that the options name. */
  readonly selectedSlot?: number;
  /** Mechanisms of the selected token. */
  readonly neededMechanisms?: readonly NeededMechanism[];
  readonly mechanisms?: readonly MechanismEntry[];
  /** Objects of the selected token, after a login. */
  readonly objects?: readonly OwnedObject[];
  /** What is not shown or uncertain, and why. */
  readonly notes: readonly string[];
}

/** The formats of `--output`. */
export const reports: Readonly<Record<'json' | 'text', (listing: Listing) => string>> = {
  json: (listing) => `${JSON.stringify(listing, null, 4)}\n`,
  text: (listing) =>
    [
      moduleText(listing.module),
      slotsText(listing),
      mechanismsText(listing),
      objectsText(listing),
      listing.notes.map((note) => `- ${note}\n`).join(''),
    ]
      .filter((part) => part !== '')
      .join('\n'),
};

function moduleText({ library, manufacturer, description, version, cryptoki }: ModuleEntry): string {
  return `${library}: ${printable(manufacturer)}, ${printable(description)} ${version}, PKCS#11 ${cryptoki}\n`;
}

function slotsText({ slots, selectedSlot }: Listing): string {
  const rows = slots.map(({ id, description, token, error }) => [
    id === selectedSlot ? '*' : '',
    String(id),
    ...(token
      ? [
          token.isInitialized ? token.label : '(not initialised)',
          token.serial,
          token.model,
          token.userPin,
          memory(token.freePublicMemory),
          memory(token.freePrivateMemory),
          token.flags.join(', ').toLowerCase().replaceAll('_', ' '),
        ]
      : [error === undefined ? '(no token)' : '(cannot be read)', '', '', '', '', '', error ?? description]),
  ]);
  const heads = ['', 'SLOT', 'TOKEN', 'SERIAL', 'MODEL', 'USER PIN', 'FREE PUBLIC', 'FREE PRIVATE', 'FLAGS'];
  return slots.length === 0 ? 'The module shows no slot.\n' : table(heads, rows);
}

function memory(bytes: number | undefined): string {
  return bytes === undefined ? 'unknown' : `${bytes} B`;
}

function mechanismsText({ mechanisms, neededMechanisms = [] }: Listing): string {
  if (!mechanisms) return '';
  const needed = new Set(neededMechanisms.map(({ type }) => type));
  const others = mechanisms.filter(({ type }) => !needed.has(type)).map(({ name }) => name);
  const rows = neededMechanisms.map(({ name, availability, keySpecs }) => [
    name,
    availability,
    keySpecs.join(', '),
  ]);
  return `${table(['MECHANISM', 'STATE', 'NEEDED FOR'], rows)}Others: ${others.join(', ') || 'none'}\n`;
}

function objectsText({ objects }: Listing): string {
  if (!objects) return '';
  const rows = objects.map(({ class: objectClass, keyType = '', id, label, owner }) => [
    ownerText(owner),
    objectClass,
    keyType,
    id,
    label,
  ]);
  return objects.length === 0
    ? 'The token has no objects.\n'
    : table(['OWNER', 'CLASS', 'KEY TYPE', 'CKA_ID', 'LABEL'], rows);
}

/** Names of the kinds of owners, which precede the key ID. */
const ownerNames: Readonly<Record<Owner['kind'], string>> = {
  key: 'Keyhold key',
  'key material': 'Keyhold key material of',
  'wrapping key': 'wrapping key of',
  'link key': 'key of a link',
  'audit key': 'audit key',
  'internal key': 'Keyhold internal key',
  anchor: 'anchor of a metadata store',
  doctor: 'left by doctor',
  foreign: 'foreign',
};

function ownerText({ kind, keyId = '', aliases = [], isCurrent }: Owner): string {
  const names = aliases.length > 0 ? ` (${aliases.join(', ')})` : '';
  return `${ownerNames[kind]} ${keyId}${names}${isCurrent === false ? ', older material' : ''}`.trim();
}

function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  return columns([heads, ...rows.map((row) => row.map(printable))]);
}

/** Removes control characters, because other programs choose labels. */
function printable(text: string): string {
  return text.replace(/\p{C}/gu, '?');
}
