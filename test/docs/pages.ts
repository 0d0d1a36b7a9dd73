// The commands and programs in Markdown pages.

/** Instructions for running a block, in a comment before it that readers do not see. */
const remarks = {
  /** `<!-- not run: needs a TPM -->` */
  notRun: /^<!-- not run: (.+) -->$/,
  /** The daemon is stopped while the block runs. */
  stopped: /^<!-- with the daemon stopped -->$/,
  /** The daemon is restarted before the block runs. */
  restarted: /^<!-- after a restart -->$/,
  /** The block and the next one of the kind run beside each other, and each asks and is answered with yes. */
  beside: /^<!-- in two terminals -->$/,
};

/** How a block of each language is run: as commands of the shell, or as a program in a file of that extension. */
const languages: Readonly<Record<string, Language>> = {
  ...{ sh: 'sh', bash: 'sh', shell: 'sh', console: 'sh' },
  ...{ js: 'mjs', python: 'py' },
};
type Language = 'sh' | 'mjs' | 'py';

/** A fenced block of commands, or a program. */
export interface Block {
  /** Line of its first command, from 1. */
  readonly line: number;
  readonly language: Language;
  /** A program begins with the imports of the page's earlier programs that it uses. */
  readonly text: string;
  /** The reason for not running it. */
  readonly notRun: string | undefined;
  readonly daemon: 'running' | 'stopped' | 'restarted';
  readonly isBeside: boolean;
  /** Its expected output, from `echo 'text'` after `&&` or `||`, and comments such as `# prints 'text'`. */
  readonly prints: readonly string[];
}

/** Finds the blocks of commands and the programs of a page. @returns them in order */
export function blocksOf(page: string): Block[] {
  const lines = page.split('\n');
  const blocks: Block[] = [];
  let remark = '';
  for (let at = 0; at < lines.length; at++) {
    const fence = /^( *)```(\w*)$/.exec(lines[at]!);
    if (fence === null) {
      if (lines[at] !== '') remark = lines[at]!.trim();
      continue;
    }
    const [, indent = '', language = ''] = fence;
    const end = lines.indexOf(`${indent}\`\`\``, at + 1);
    const text = lines.slice(at + 1, end).map((line) => line.slice(indent.length));
    const runs = languages[language];
    if (runs) {
      const earlier = blocks.filter((each) => each.language === runs).map((each) => each.text);
      const imports = runs === 'sh' ? '' : importsFor(text, earlier);
      blocks.push(blockOf(at + 2, runs, `${imports}${text.join('\n')}\n`, remark));
    }
    [at, remark] = [end, ''];
  }
  return withPairs(blocks);
}

/** Makes one block of two that run in two terminals. */
function withPairs(blocks: readonly Block[]): Block[] {
  const beside = blocks.filter(({ isBeside }) => isBeside);
  const seconds = new Map(beside.flatMap((each, at) => (at % 2 === 0 ? [[each, beside[at + 1]!]] : [])));
  const others = new Set(seconds.values());
  return blocks.flatMap((block) => {
    if (others.has(block)) return [];
    const second = seconds.get(block);
    if (second === undefined) return [block];
    const inTerminal = (text: string) => `echo yes | (\n${text})`;
    const text = `${inTerminal(block.text)} &\nfirst=$!\n${inTerminal(second.text)}\nwait $first\n`;
    return [{ ...block, text }];
  });
}

/** Finds imports of a page's earlier programs, of modules that a program does not import itself. @returns whole lines */
function importsFor(program: readonly string[], earlier: readonly string[]): string {
  const importsOf = (text: string) =>
    [...text.matchAll(/^(?:import|from) .*?([^\s']+)'?;?$/gm)].map(([line, name]) => [name!, line] as const);
  const found = new Map(earlier.flatMap(importsOf));
  for (const [name] of importsOf(program.join('\n'))) found.delete(name);
  return [...found.values()].map((line) => `${line}\n`).join('');
}

function blockOf(line: number, language: Language, text: string, remark: string): Block {
  return {
    line,
    language,
    text,
    notRun: remarks.notRun.exec(remark)?.[1],
    isBeside: remarks.beside.test(remark),
    daemon: remarks.stopped.test(remark)
      ? 'stopped'
      : remarks.restarted.test(remark)
        ? 'restarted'
        : 'running',
    prints: [...text.matchAll(/(?:(?:&&|\|\|) echo|# prints) '([^']+)'/g)].map(([, words]) => words!),
  };
}

/** Finds commands in indented code, which would not be run. @returns the lines */
export function commandsOutsideBlocks(page: string): string[] {
  const fenced = /^( *)```[^]*?^\1```$/gm;
  return page
    .replace(fenced, '')
    .split('\n')
    .filter((line) => /^ {4,}(keyhold|aws|curl|npm|openssl|systemctl|\.\/|\. )(\s|\w)/.test(line));
}
