// `JSON.parse` keeps the last of two members of the same name without a word. Another reader, such as a proxy that
// filters requests, may keep the first.

const token = /"(?:[^"\\]|\\.)*"|[{}[\]:]/g;

/**
 * Whether an object of a JSON text has two members of the same name.
 * @param text that `JSON.parse` takes
 */
export function hasDuplicateMember(text: string): boolean {
  /** Names of the objects around the present place; undefined for an array. */
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
