// The keys of links in a token: which there are, and how to destroy them. This needs no officer.
import type { LinkGeneration } from '../link-messages.js';
import pkcs11, { type Handle } from 'pkcs11js';
import { type LinkRole, linkRoles, parseLinkLabel } from '../link-objects.js';
import { toHsmError } from '../pkcs11/return-values.js';
import { type AskPin, type CeremonyToken, OfficerSession } from './officer-session.js';

/** Link generations that have objects in the token, with the roles that are there. @throws HsmError */
export async function listLinks(
  settings: CeremonyToken,
  user: AskPin,
): Promise<readonly (LinkGeneration & { readonly roles: readonly LinkRole[] })[]> {
  return withUser(settings, user, (opened) => {
    const found = new Map<string, LinkGeneration & { roles: LinkRole[] }>();
    for (const { link, generation, role } of linkObjects(opened)) {
      const name = `${link}/${generation}`;
      const entry = found.get(name) ?? { link, generation, roles: [] };
      entry.roles = linkRoles.filter((each) => each === role || entry.roles.includes(each));
      found.set(name, entry);
    }
    return [...found.values()];
  });
}

/**
 * Destroys the keys of a link: of all generations, or of those before one (after a rotation). It may be repeated.
 * @returns how many objects were destroyed
 * @throws HsmError
 */
export async function destroyLink(
  settings: CeremonyToken,
  { link, before = Infinity }: { readonly link: string; readonly before?: number },
  user: AskPin,
): Promise<number> {
  return withUser(settings, user, (opened) => {
    const handles = linkObjects(opened)
      .filter((each) => each.link === link && each.generation < before)
      .map(({ handle }) => handle);
    opened.destroy(handles);
    opened.sync();
    return handles.length;
  });
}

async function withUser<T>(
  settings: CeremonyToken,
  user: AskPin,
  work: (opened: OfficerSession) => T,
): Promise<T> {
  const opened = OfficerSession.open(settings);
  try {
    return await opened.as('user', user, () => work(opened));
  } catch (error) {
    throw toHsmError(error);
  } finally {
    opened.close();
  }
}

function linkObjects(opened: OfficerSession) {
  return opened.find([{ type: pkcs11.CKA_TOKEN, value: true }]).flatMap((handle) => {
    const name = parseLinkLabel(labelOf(opened, handle));
    return name ? [{ ...name, handle }] : [];
  });
}

function labelOf({ module, session }: OfficerSession, handle: Handle): string {
  try {
    const [read] = module.C_GetAttributeValue(session, handle, [{ type: pkcs11.CKA_LABEL }]);
    return read?.value?.toString() ?? '';
  } catch {
    // An object without a label, or one that was left half-written, belongs to no link.
    return '';
  }
}
