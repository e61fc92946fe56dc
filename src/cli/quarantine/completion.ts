/** `postern quarantine completion`: what a shell evaluates to complete subcommands, options, search keys and IDs. */
import { queryKeys } from '../../quarantine/look/query.js';
import { exit } from '../exit-codes.js';
import type { OptionTable } from '../options.js';
import { complain } from '../complain.js';

/** For `eval "$(postern quarantine completion bash)"`; zsh reads it by its bashcompinit. */
export function completion(
  shell: string | undefined,
  subcommands: Readonly<Record<string, { readonly options: OptionTable }>>,
): number {
  if (shell !== 'bash' && shell !== 'zsh') {
    complain(['quarantine completion: for which shell? bash or zsh']);
    return exit.usage;
  }
  const cases = Object.entries(subcommands)
    .map(([name, { options }]) => {
      const words = Object.entries(options).map(([option, kind]) => `--${option}${kind === 'flag' ? '' : '='}`);
      const searches = name === 'list' || name === 'stats' ? Object.keys(queryKeys).map((key) => `${key}:`) : [];
      return `      ${name}) words='${[...words, ...searches, '--spam=', '--config=', '--trial'].join(' ')}' ;;\n`;
    })
    .join('');
  process.stdout.write(`${shell === 'zsh' ? 'autoload -U +X bashcompinit && bashcompinit\n' : ''}_postern_quarantine() {
  local word=\${COMP_WORDS[COMP_CWORD]} words=
  if [ "$COMP_CWORD" = 1 ]; then
    words='serve check-config print-config demo quarantine srv test web audit spf milter'
  elif [ "\${COMP_WORDS[1]}" = quarantine ] && [ "$COMP_CWORD" = 2 ]; then
    words='${Object.keys(subcommands).join(' ')} completion'
  elif [ "\${COMP_WORDS[1]}" = quarantine ]; then
    case \${COMP_WORDS[2]} in
${cases}    esac
    case \${COMP_WORDS[2]}:$word in
      show:[0-9A-Z]*|release:[0-9A-Z]*|delete:[0-9A-Z]*)
        words="$words $(postern quarantine list --limit=1000 2>/dev/null | cut -f 2)" ;;
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "$word"))
  [[ \${COMPREPLY[0]} == *[=:] ]] && compopt -o nospace 2>/dev/null
  return 0
}
complete -F _postern_quarantine postern
`);
  return exit.ok;
}
