// Reads the help that an admin program prints. Its options are in the program, which is bundled into one file.
import type { CommandHelp, HelpItem, HelpSection } from './sections.js';

/**
 * Parses help in commander's own layout: usage, description, and sections of terms beside texts.
 * @param text what the program prints for --help
 * @throws Error if it does not begin with the usage
 */
export function parseProgramHelp(text: string): Pick<CommandHelp, 'usage' | 'description' | 'sections'> {
  const [first = '', ...parts] = text.trimEnd().split('\n\n');
  const usage = /^Usage: ([^]+)$/.exec(first)?.[1];
  if (usage === undefined) throw new Error(`This is not the help of a program: ${first}`);
  const isSection = (part: string) => /^[A-Z][^\n]*:\n {2}/.test(part);
  const joined = (part: string) => part.replace(/\s+/g, ' ').trim();
  return {
    usage: joined(usage),
    description: parts
      .filter((part) => !isSection(part))
      .map(joined)
      .join(' '),
    sections: parts.filter(isSection).map(sectionOf),
  };
}

function sectionOf(part: string): HelpSection {
  const [title = '', ...lines] = part.split('\n');
  const items: HelpItem[] = [];
  for (const line of lines) {
    const item = /^ {2}(\S(?:.*?\S)?)(?: {2,}(.*))?$/.exec(line);
    if (item) items.push({ term: item[1]!, text: item[2] ?? '' });
    else {
      // A further line of the last text.
      const { term, text } = items.pop()!;
      items.push({ term, text: `${text} ${line.trim()}` });
    }
  }
  return { title, items };
}
