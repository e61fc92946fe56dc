/** `postern quarantine completion`: what a shell evaluates to complete commands, options, search keys and IDs. */
import { queryKeys } from '../../quarantine/look/query.js';
import { exit } from '../exit-codes.js';
import { type CommandRow, type Given, misused } from './command.js';

/**
 * For `eval "$(postern quarantine completion bash)"`; zsh reads it by its bashcompinit, and fish, which has rules of
 * its own, by `postern quarantine completion fish | source`.
 */
export function completion(given: Given, commands: readonly CommandRow[]): number {
  const [shell = '', ...more] = given.words;
  if (!['bash', 'zsh', 'fish'].includes(shell) || more.length > 0)
    return misused(given, 'for which shell? say bash, zsh or fish');
  if (shell === 'fish') return fishCompletion(commands);
  process.stdout.write(`${shell === 'zsh' ? 'autoload -U +X bashcompinit && bashcompinit\n' : ''}_postern() {
  local word=\${COMP_WORDS[COMP_CWORD]} words=
  if [ "$COMP_CWORD" = 1 ]; then
    words='${firstWords(commands).join(' ')}'
  else
    case "\${COMP_WORDS[1]} \${COMP_WORDS[2]}" in
${commands
  .filter(({ name }) => name.includes(' '))
  .map(({ name, ...row }) => `      '${name}') words='${wordsOf(row)}' ;;\n`)
  .join('')}\
      *) case \${COMP_WORDS[1]} in
${firstCases(commands)}      esac ;;
    esac
    case "\${COMP_WORDS[1]} \${COMP_WORDS[2]}:$word" in
      'quarantine '[sr]*:[0-9A-Z]*|'quarantine delete':[0-9A-Z]*)
        words="$words $(postern quarantine list --limit=1000 2>/dev/null | cut -f 2)" ;;
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "$word"))
  [[ \${COMPREPLY[0]} == *[=:] ]] && compopt -o nospace 2>/dev/null
  return 0
}
complete -F _postern postern
`);
  return exit.ok;
}

/** A rule for each word that may come next; `__fish_seen_subcommand_from` tells which have come. */
function fishCompletion(commands: readonly CommandRow[]): number {
  const quoted = (text: string): string => `'${text.replaceAll(/['\\]/g, '\\$&')}'`;
  const rule = (condition: string, words: string, doc: string): string =>
    `complete -c postern -n ${quoted(condition)} ${words} -d ${quoted(doc)}\n`;
  const rules = commands.flatMap(({ name, doc, options = {}, settings }) => {
    const [first = '', second] = name.split(' ');
    const seen = `__fish_seen_subcommand_from ${first}${second === undefined ? '' : `; and __fish_seen_subcommand_from ${second}`}`;
    const below = commands.filter((one) => one.name.startsWith(`${first} `)).map((one) => one.name.split(' ')[1]);
    const word =
      second === undefined
        ? rule('__fish_use_subcommand', `-f -a ${first}`, doc)
        : rule(
            `__fish_seen_subcommand_from ${first}; and not __fish_seen_subcommand_from ${below.join(' ')}`,
            `-f -a ${second}`,
            doc,
          );
    const own = Object.entries(options).map(([option, { label, doc: what }]) =>
      rule(seen, `-f -l ${option}${label === undefined ? '' : ' -r'}`, what),
    );
    const usual = settings === undefined ? [] : [rule(seen, '-s c -l config -r -F', 'settings of this file')];
    return [word, ...own, ...usual];
  });
  process.stdout.write(rules.join(''));
  return exit.ok;
}

const firstWords = (commands: readonly CommandRow[]): readonly string[] =>
  commands.map(({ name }) => name).filter((name) => !name.includes(' '));

/** What may stand second: the second words of names, and the options of a command whose name has one word. */
function firstCases(commands: readonly CommandRow[]): string {
  return commands
    .filter(({ name }) => !name.includes(' '))
    .map(({ name, ...row }) => {
      const below = commands.filter((one) => one.name.startsWith(`${name} `)).map((one) => one.name.split(' ')[1]);
      return `        ${name}) words='${[...below, wordsOf(row)].join(' ').trim()}' ;;\n`;
    })
    .join('');
}

function wordsOf({ options = {}, words, settings, keys = Object.keys(queryKeys) }: Omit<CommandRow, 'name'>): string {
  const own = Object.entries(options).map(([name, { label }]) => `--${name}${label === undefined ? '' : '='}`);
  const searches = words === 'search' ? keys.map((key) => `${key}:`) : [];
  const usual = settings === undefined ? [] : ['--srv=', '--spam=', '--config=', '--trial'];
  return [...own, ...searches, ...usual, '--help'].join(' ');
}
