// Completion scripts of shells. They contain all commands and options, so that no process is started at each Tab.
import type { Command, Option } from 'commander';

/** A command as completion sees it. */
interface Node {
  /** Its words after `keyhold`, such as `audit query`. */
  readonly words: string;
  readonly description: string;
  readonly subcommands: readonly string[];
  readonly options: readonly Option[];
  /** Whether it takes the name of a file. */
  readonly takesFile: boolean;
}

type Shell = 'bash' | 'zsh' | 'fish';

/** Functions that make the script for a program's commands, by shell. */
export const completionScripts: Readonly<Record<Shell, (program: Command) => string>> = {
  bash: (program) => bashScript(nodesOf(program)),
  zsh: (program) => zshScript(nodesOf(program)),
  fish: (program) => fishScript(nodesOf(program)),
};

function nodesOf(command: Command, words: readonly string[] = []): Node[] {
  const subcommands = command.commands.map((each) => each.name());
  const own: Node = {
    words: words.join(' '),
    description: command.summary() || command.description(),
    subcommands: [...subcommands, ...command.registeredArguments.flatMap((each) => each.argChoices ?? [])],
    options: command.options.filter(({ hidden, long }) => !hidden && long !== undefined),
    takesFile: command.registeredArguments.some((each) => each.name() === 'file'),
  };
  return [own, ...command.commands.flatMap((each) => nodesOf(each, [...words, each.name()]))];
}

/** Returns the possible values of an option; 'file' if it takes a file; undefined if it takes no value or any text. */
function valuesOf({ argChoices, flags, required, optional }: Option): readonly string[] | 'file' | undefined {
  if (argChoices) return argChoices;
  if (!required && !optional) return undefined;
  return /<(path|dir|file|document)>/.test(flags) ? 'file' : undefined;
}

const takesValue = ({ required, optional }: Option) => required || optional;

/** Makes a line for each command, with the subcommands and options that may follow it. */
function bashCases(nodes: readonly Node[]): string {
  return nodes
    .map(({ words, subcommands, options, takesFile }) => {
      const flags = options.map(({ long }) => long);
      return `    '${words}') words='${[...subcommands, ...flags, '--help'].join(' ')}'${takesFile ? ' files=1' : ''} ;;`;
    })
    .join('\n');
}

/** Makes a line for each option. All commands share it, because options of the same name have nearly the same values. */
function bashValueCases(nodes: readonly Node[]): string {
  const values = new Map<string, Set<string> | 'file' | 'any'>();
  for (const option of nodes.flatMap(({ options }) => options)) {
    if (!takesValue(option)) continue;
    const known = valuesOf(option);
    const before = values.get(option.long!);
    if (known === undefined) values.set(option.long!, before ?? 'any');
    else if (known === 'file') values.set(option.long!, 'file');
    else values.set(option.long!, new Set([...(before instanceof Set ? before : []), ...known]));
  }
  return [...values]
    .map(([long, known]) => {
      if (known === 'any') return `    ${long}) words='' files=1 ;;`;
      return known === 'file'
        ? `    ${long}) words='' files=1 ;;`
        : `    ${long}) words='${[...known].join(' ')}' files= ;;`;
    })
    .join('\n');
}

function bashScript(nodes: readonly Node[]): string {
  const groups = nodes.filter(({ subcommands, words }) => words !== '' && subcommands.length > 0);
  return `# bash completion of keyhold. To load it: . <(keyhold completion bash)
_keyhold() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD - 1]}
  local command='' words='' files='' at
  for ((at = 1; at < COMP_CWORD; at++)); do
    case "\${COMP_WORDS[at]}" in
    -*) ;;
    *)
      case "$command" in
      '') [[ " $_keyhold_commands " == *" \${COMP_WORDS[at]} "* ]] && command=\${COMP_WORDS[at]} ;;
      ${groups.map(({ words }) => words).join(' | ')}) command="$command \${COMP_WORDS[at]}" ;;
      esac
      ;;
    esac
  done
  case "$command" in
${bashCases(nodes)}
  esac
  case "$previous" in
${bashValueCases(nodes)}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  if [[ \${#COMPREPLY[@]} -eq 0 && -n "$files" ]]; then
    compopt -o default 2>/dev/null
    local prefix=
    case "$current" in fileb://* | file://*) prefix=\${current%%//*}// ;; esac
    COMPREPLY=($(compgen -P "$prefix" -f -- "\${current#"$prefix"}"))
  fi
}
_keyhold_commands='${nodes[0]!.subcommands.join(' ')}'
complete -F _keyhold keyhold
`;
}

/** Puts text in single quotes for zsh or fish. @param quote the form of a single quote inside the text */
function quoted(text: string, quote = "'\\''"): string {
  return `'${text.replaceAll("'", quote)}'`;
}

function zshScript(nodes: readonly Node[]): string {
  const cases = nodes.map(({ words, subcommands, options, takesFile }) => {
    const commands = subcommands.map((name) => {
      const found = nodes.find((each) => each.words === [words, name].filter(Boolean).join(' '));
      return quoted(`${name}:${found?.description ?? ''}`);
    });
    const specs = options.map((option) => {
      const values = valuesOf(option);
      const text = option.description.replace(/[[\]:\\]/g, '\\\\$&');
      const action = values === 'file' || values === undefined ? '_files' : `(${values.join(' ')})`;
      return quoted(`${option.long}[${text}]${takesValue(option) ? `:value:${action}` : ''}`);
    });
    return `    ${quoted(words)})
      ${commands.length > 0 ? `_keyhold_names=(${commands.join(' ')})` : '_keyhold_names=()'}
      _keyhold_options=(${[...specs, ...(takesFile ? [quoted('*:file:_files')] : [])].join(' ')})
      ;;`;
  });
  const groups = nodes.filter(({ subcommands, words }) => words !== '' && subcommands.length > 0);
  return `#compdef keyhold
# zsh completion of keyhold. To load it: source <(keyhold completion zsh)
_keyhold() {
  local command='' word
  local -a _keyhold_names _keyhold_options
  for word in "\${(@)words[2,CURRENT-1]}"; do
    case "$word" in
    -*) ;;
    *)
      case "$command" in
      '') [[ " $_keyhold_commands " == *" $word "* ]] && command=$word ;;
      ${groups.map(({ words }) => words).join(' | ')}) command="$command $word" ;;
      esac
      ;;
    esac
  done
  case "$command" in
${cases.join('\n')}
  esac
  if [[ \${#_keyhold_names} -gt 0 && "$PREFIX" != -* ]]; then
    _describe command _keyhold_names
  else
    _arguments -S $_keyhold_options '*:: :_files'
  fi
}
_keyhold_commands='${nodes[0]!.subcommands.join(' ')}'
compdef _keyhold keyhold
`;
}

function fishScript(nodes: readonly Node[]): string {
  const fishQuoted = (text: string) => quoted(text.replaceAll('\\', '\\\\'), "\\'");
  const lines = nodes.flatMap(({ words, subcommands, options }) => {
    const condition = `-n ${fishQuoted(`__keyhold_at ${fishQuoted(words)}`)}`;
    const commands = subcommands.map((name) => {
      const found = nodes.find((each) => each.words === [words, name].filter(Boolean).join(' '));
      return `complete -c keyhold -f ${condition} -a ${name} -d ${fishQuoted(found?.description ?? '')}`;
    });
    const flags = options.map((option) => {
      const values = valuesOf(option);
      const taken = takesValue(option)
        ? Array.isArray(values)
          ? ` -x -a ${fishQuoted(values.join(' '))}`
          : ' -r'
        : '';
      return `complete -c keyhold ${condition} -l ${option.long!.slice(2)}${taken} -d ${fishQuoted(option.description)}`;
    });
    return [...commands, ...flags];
  });
  return `# fish completion of keyhold. To load it: keyhold completion fish | source
function __keyhold_at
    set -l command
    for word in (commandline -opc)[2..-1]
        string match -q -- '-*' $word; and continue
        if test (count $command) -eq 0
            contains -- $word $__keyhold_commands; and set command $word
        else if contains -- "$command" $__keyhold_groups
            set command "$command $word"
        end
    end
    test "$command" = "$argv[1]"
end
set -g __keyhold_commands ${nodes[0]!.subcommands.join(' ')}
set -g __keyhold_groups ${nodes
    .filter(({ subcommands, words }) => words !== '' && subcommands.length > 0)
    .map(({ words }) => words)
    .join(' ')}
${lines.join('\n')}
`;
}
