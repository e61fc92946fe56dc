/** `postern quarantine`: finds what is to be done with refused mail; each is a function in a file beside this one. */
import { existsSync } from 'node:fs';
import { nearest } from '../../settings/nearest.js';
import { errorText } from '../../mail/error-text.js';
import { printable } from '../../mail/text.js';
import { queryKeys } from '../../quarantine/look/query.js';
import { exit } from '../exit-codes.js';
import { type CommandLine, load } from '../load.js';
import { completion } from './completion.js';
import type { Task } from './task.js';
import { type OptionTable, readWords } from '../options.js';
import { terminalOf } from '../terminal.js';
import { complain } from '../complain.js';

interface QuarantineSubcommand {
  readonly run: (task: Task) => Promise<number>;
  readonly options: OptionTable;
}

const json: OptionTable = { json: 'flag' };

/** What there is, for shells, too. Each is read when it is called: most need far less than all. */
const subcommands: Readonly<Record<string, QuarantineSubcommand>> = {
  list: {
    run: async (task) => (await import('./list.js')).list(task),
    options: { ...json, limit: { example: '50' }, all: 'flag' },
  },
  show: {
    run: async (task) => (await import('./show.js')).show(task),
    options: { ...json, raw: 'flag', pager: { example: 'no' } },
  },
  release: {
    run: async (task) => (await import('./change.js')).releaseMails(task),
    options: { ...json, search: { example: 'from:anna' }, attachment: 'flag', again: 'flag' },
  },
  delete: {
    run: async (task) => (await import('./change.js')).deleteMails(task),
    options: { ...json, search: { example: 'plugin:dnsbl' } },
  },
  expire: { run: async (task) => (await import('./care.js')).expireNow(task), options: json },
  digest: {
    run: async (task) => (await import('./digest.js')).digest(task),
    options: { ...json, domain: { example: 'example.com' }, 'dry-run': 'flag', again: 'flag' },
  },
  check: { run: async (task) => (await import('./care.js')).check(task), options: json },
  stats: { run: async (task) => (await import('./stats.js')).stats(task), options: json },
};

const help = `usage: postern quarantine list [SEARCH ...] [--limit=N | --all] [--json]
       postern quarantine show MAIL [--raw] [--pager=no] [--json]
       postern quarantine release MAIL ... | --search=SEARCH [--attachment] [--again] [--json]
       postern quarantine delete MAIL ... | --search=SEARCH [--json]
       postern quarantine expire | check [YDAY/DOMAIN ...] | stats [SEARCH ...] [--json]
       postern quarantine digest [--domain=DOMAIN] [--dry-run] [--again] [--json]
       postern quarantine completion bash|zsh

MAIL is the ID of the 550, a name that list prints (329/example.com/...), or the path of the mail's file

SEARCH is words and KEY:VALUE; -KEY:VALUE finds what is not so
${Object.entries(queryKeys)
  .map(([key, doc]) => `  ${`${key}:`.padEnd(12)} ${doc}\n`)
  .join('')}
list     newest first; 50 mails unless --limit or --all says otherwise. Tables on a terminal, tabs elsewhere
show     why it was refused, then the mail, in $PAGER. --raw: the file's octets, for a pipe
release  hand it to the local MTA with its own envelope; --attachment: inside a mail from postmaster; --again: also if
         it has been released before
delete   take the mail away; its line stays until it expires
expire   take away what is too old or too much (expire, expire_size), or by /srv/DOMAIN/expire
check    mend indexes: mails without a line get one, torn lines go
stats    how much there is, by day, plugin, reason, domain, sender, client
digest   mail each domain's postmaster what was refused yesterday, with links that release it (digest_url); once a day,
         --again: also if it has been sent
--json   one JSON object a line

settings, such as --spam=/spam and --config=FILE, are read as by postern serve; --trial: those of the trial run

exit codes: 0 done; 1 not all could be done, or nothing was found; 64 wrong usage; 69 the local MTA cannot be reached;
74 reading or writing failed; 78 wrong settings
`;

/** The exit code. */
export async function quarantine({ argv, env }: CommandLine): Promise<number> {
  const [name = 'help', ...rest] = argv;
  if (name === 'help' || argv.some((word) => word === '--help' || word === '-h')) {
    process.stdout.write(help);
    return argv.length === 0 ? exit.usage : exit.ok;
  }
  if (name === 'completion') return completion(rest[0], subcommands);
  const command = Object.hasOwn(subcommands, name) ? subcommands[name] : undefined;
  if (!command) return misused(unknown(name));
  const loaded = load({ argv: rest, env }, Object.keys(command.options));
  if (!loaded.ok) {
    complain(loaded.problem);
    return exit.config;
  }
  const words = readWords(loaded.value.rest.filter((word) => word !== '--trial').map(quoted), command.options);
  if (!words.ok) return misused(`quarantine ${name}: ${words.problem}`);
  const { spam } = loaded.value.settings;
  if (!existsSync(spam)) {
    complain([`spam: ${printable(spam)} is not there; postern serve makes it, --spam names another`]);
    return exit.notAll;
  }
  quietly();
  try {
    return await command.run({
      settings: loaded.value.settings,
      options: words.options,
      words: words.words.map(unquoted),
      terminal: terminalOf(process.stdout, env),
      isTerminal: process.stdout.isTTY,
      env,
    });
  } catch (error) {
    complain([printable(errorText(error))]);
    return exit.ioError;
  }
}

/** `-from:anna` is a search, not an option. */
const quoted = (word: string): string => (/^-[a-z]/i.test(word) ? `\0${word}` : word);
const unquoted = (word: string): string => (word.startsWith('\0') ? word.slice(1) : word);

function misused(problem: string): number {
  complain([problem]);
  return exit.usage;
}

function unknown(name: string): string {
  const meant = nearest(name, Object.keys(subcommands));
  const hint = meant === undefined ? `say one of ${Object.keys(subcommands).join(', ')}` : `did you mean ${meant}?`;
  return `there is no "quarantine ${printable(name, 40)}"; ${hint}`;
}

/** A reader that goes away early (`| head`) is no error of ours. */
function quietly(): void {
  process.stdout.on('error', ({ code }: NodeJS.ErrnoException) =>
    process.exit(code === 'EPIPE' ? exit.ok : exit.ioError),
  );
}
