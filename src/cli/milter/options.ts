/**
 * The command line of `postern milter`: the options of spf-milter(8), each a parameter of the file, and a few of its
 * own.
 */
import { printable } from '../../mail/text.js';
import { nearest } from '../../settings/nearest.js';
import type { GivenText } from '../../settings/read-table.js';
import type { Problems, Result } from '../../mail/result.js';

export interface MilterOptions {
  /** undefined: where nobody says otherwise. */
  readonly file: string | undefined;
  readonly given: readonly GivenText[];
  readonly action: 'run' | 'help' | 'version' | 'check' | 'print';
  readonly policy: string;
  /** What stands behind `--`: the words of a filter of one's own. */
  readonly words: readonly string[];
}

export type ReadOptions = Result<MilterOptions, Problems>;

interface Option {
  readonly long: string;
  readonly short?: string;
  /** Stands for its value; none: a flag. */
  readonly label?: string;
  readonly doc: string;
  /** The parameter it stands for; a flag sets it to yes. */
  readonly parameter?: string;
}

const options: readonly Option[] = [
  { long: 'config-file', short: 'c', label: 'PATH', doc: 'path to configuration file' },
  { long: 'dry-run', short: 'n', doc: 'process messages without taking action', parameter: 'dry_run' },
  { long: 'help', short: 'h', doc: 'print usage information' },
  {
    long: 'log-destination',
    short: 'l',
    label: 'TARGET',
    doc: 'destination for log messages',
    parameter: 'log_destination',
  },
  { long: 'log-level', short: 'L', label: 'LEVEL', doc: 'minimum severity of messages to log', parameter: 'log_level' },
  { long: 'socket', short: 'p', label: 'SOCKET', doc: 'listening socket of the milter', parameter: 'socket' },
  {
    long: 'syslog-facility',
    short: 's',
    label: 'NAME',
    doc: 'facility to use for syslog messages',
    parameter: 'syslog_facility',
  },
  { long: 'version', short: 'V', doc: 'print version information' },
  { long: 'check-config', doc: 'say everything that is wrong with the configuration, and stop' },
  { long: 'print-config', doc: 'print all parameters, and where each comes from, and stop' },
  {
    long: 'policy',
    label: 'NAME|FILE',
    doc: 'verify: SPF of incoming mail (default); submission: SPF of mail sent on; ./my.mjs: a filter of your own',
  },
];

export const milterHelp = `usage: postern milter [options]
       postern milter --policy FILE -p SOCKET [options] [-- WORDS]

Verifies senders by SPF for an MTA that speaks the milter protocol. Reads spf-milter.conf(5): the file of -c, else that
of the environment's SPF_MILTER_CONFIG_FILE, else /etc/spf-milter.conf.

${options
  .map(({ short, long, label, doc }) => {
    const names = `${short === undefined ? '   ' : `-${short},`} --${long}${label === undefined ? '' : ` ${label}`}`;
    return `  ${names.padEnd(33)} ${doc}\n`;
  })
  .join('')}`;

/** `-c FILE`, `-cFILE`, `--config-file FILE`, `--config-file=FILE`. */
export function readMilterOptions(argv: readonly string[]): ReadOptions {
  const words = [...argv];
  const problems: string[] = [];
  const given: GivenText[] = [];
  const held = new Map<string, string>();
  for (let word = words.shift(); word !== undefined && word !== '--'; word = words.shift()) {
    const { option, spelt, inline } = optionOf(word);
    if (!option) problems.push(unknown(word));
    else if (option.label === undefined && inline !== undefined) problems.push(`${spelt} takes no value`);
    else {
      const value = option.label === undefined ? 'yes' : (inline ?? words.shift());
      if (value === undefined) problems.push(`${spelt} needs a value: --${option.long} ${option.label}`);
      else if (option.parameter === undefined) held.set(option.long, value);
      else given.push({ name: option.parameter, text: value.trim(), place: spelt });
    }
  }
  if (problems.length > 0) return { ok: false, problem: problems };
  const actions = { help: 'help', version: 'version', 'check-config': 'check', 'print-config': 'print' } as const;
  const [, action] = Object.entries(actions).find(([name]) => held.has(name)) ?? ['', 'run' as const];
  const file = held.get('config-file');
  return { ok: true, value: { file, given, action, policy: held.get('policy') ?? 'verify', words } };
}

interface Spelling {
  readonly option: Option | undefined;
  readonly spelt: string;
  readonly inline: string | undefined;
}

function optionOf(word: string): Spelling {
  const [, long, value] = /^--([^=]+)(?:=(.*))?$/s.exec(word) ?? [];
  if (long !== undefined)
    return { option: options.find((one) => one.long === long), spelt: `--${long}`, inline: value };
  const [, short, rest] = /^-(\w)(.*)$/s.exec(word) ?? [];
  const option = options.find((one) => one.short === short && short !== undefined);
  return { option, spelt: `-${short}`, inline: rest === '' ? undefined : rest };
}

function unknown(word: string): string {
  const meant = nearest(
    word.replace(/^-+|=.*$/gs, ''),
    options.map(({ long }) => long),
  );
  const hint = meant === undefined ? 'postern milter --help lists those there are' : `did you mean --${meant}?`;
  return `milter has no option "${printable(word, 60)}"; ${hint}`;
}
