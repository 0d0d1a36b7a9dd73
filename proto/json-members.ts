// `JSON.parse` silently keeps the last of two members with the same name. Another reader, such as a proxy that filters
// requests, may keep the first. This check is one pass over text that JSON.parse has accepted, for every request and
// argument. Policies have their own parser (daemon/policy/language/json.ts), which also tracks the position of each value.

const token = /"(?:[^"\\]|\\.)*"|[{}[\]:]/g;

/**
 * Whether an object in a JSON text has two members with the same name.
 * @param text text that `JSON.parse` accepts
 */
export function hasDuplicateMember(text: string): boolean {
  /** Names in each of the open objects; undefined for an array. */
  const open: (Set<string> | undefined)[] = [];
  let last = '';
  for (const [part] of text.matchAll(token)) {
    if (part === '{') {
      open.push(new Set());
    } else if (part === '[') {
      open.push(undefined);
    } else if (part === '}' || part === ']') {
      open.pop();
    } else if (part === ':') {
      const names = open.at(-1);
      const name = last.includes('\\') ? (JSON.parse(last) as string) : last.slice(1, -1);
      if (names?.has(name)) return true;
      names?.add(name);
    } else {
      last = part;
    }
  }
  return false;
}
