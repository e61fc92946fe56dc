/** The rows of `postern quarantine`. Each command is read when it is called: most need far less than all. */
import { queryKeys } from '../../quarantine/look/query.js';
import { type CommandRow, onSettings, type SettingsTask } from '../command/command.js';
import type { OptionTable } from '../command/options.js';
import type { Task } from './task.js';

const json: OptionTable = { json: { doc: 'one JSON object a line' } };
/** Options of what reads or changes mails. */
const onMails: OptionTable = {
  here: { doc: "this host's files alone, where the setting catalog names a database" },
  ...json,
};

const mail =
  'MAIL is the ID of the 550, a name that list prints (329/example.com/...), or the path of the mail’s file\n';

const search = (): string => `SEARCH is words and KEY:VALUE; -KEY:VALUE finds what is not so
${Object.entries(queryKeys)
  .map(([key, doc]) => `  ${`${key}:`.padEnd(12)} ${doc}\n`)
  .join('')}`;

type QuarantineRow = Omit<CommandRow, 'run'> & { readonly run: (task: Task) => Promise<number> };

/** Adds the exit codes that all of them share. */
const row = ({ run, exits = {}, ...more }: QuarantineRow): CommandRow =>
  onSettings({
    exits: { 1: 'not all could be done, or nothing was found', 74: 'reading or writing failed', ...exits },
    ...more,
    run: async (task: SettingsTask) =>
      (await import('./quarantine.js')).onQuarantine(task, run, 'here' in (more.options ?? {})),
  });

const unreachable = { 69: 'the local MTA cannot be reached' };

/** `all` are all commands of postern, for the shell's completion. */
export const quarantineCommands = (all: () => readonly CommandRow[]): readonly CommandRow[] => [
  {
    name: 'quarantine',
    doc: 'list, show, release and delete refused mail; expire, check and count it',
    details: () => `${mail}${search()}`,
  },
  row({
    name: 'quarantine list',
    doc: 'refused mail, newest first; tables on a terminal, tabs elsewhere',
    usage: ['[SEARCH ...] [--limit=N | --all] [--here] [--json]'],
    options: {
      limit: { label: 'N', example: '50', doc: 'so many (50)' },
      all: { doc: 'all that there are' },
      ...onMails,
    },
    words: 'search',
    details: search,
    run: async (task) => (await import('./list.js')).list(task),
  }),
  row({
    name: 'quarantine show',
    doc: 'why it was refused, then the mail, in $PAGER',
    usage: ['MAIL [--raw] [--pager=no] [--here] [--json]'],
    options: {
      raw: { doc: "the file's octets, for a pipe" },
      pager: { label: 'no', example: 'no', doc: 'without a pager' },
      ...onMails,
    },
    words: 'any',
    details: () => mail,
    run: async (task) => (await import('./show.js')).show(task),
  }),
  row({
    name: 'quarantine release',
    doc: 'hand it to the local MTA with its own envelope',
    usage: [
      'MAIL ... [--attachment] [--again] [--here] [--json]',
      '--search=SEARCH [--attachment] [--again] [--here] [--json]',
    ],
    options: {
      search: { label: 'SEARCH', example: 'from:anna', doc: 'all that it finds' },
      attachment: { doc: 'inside a mail from postmaster' },
      again: { doc: 'also if it has been released before' },
      ...onMails,
    },
    words: 'any',
    details: () => mail,
    exits: unreachable,
    run: async (task) => (await import('./change.js')).releaseMails(task),
  }),
  row({
    name: 'quarantine delete',
    doc: 'take the mail away; its line stays until it expires',
    usage: ['MAIL ... [--here] [--json]', '--search=SEARCH [--here] [--json]'],
    options: { search: { label: 'SEARCH', example: 'plugin:dnsbl', doc: 'all that it finds' }, ...onMails },
    words: 'any',
    details: () => mail,
    run: async (task) => (await import('./change.js')).deleteMails(task),
  }),
  row({
    name: 'quarantine expire',
    doc: 'take away what is too old or too much (expire, expire_size), or by /srv/DOMAIN/expire',
    usage: ['[--json]'],
    options: json,
    words: 'any',
    run: async (task) => (await import('./care.js')).expireNow(task),
  }),
  row({
    name: 'quarantine digest',
    doc: "mail each domain's postmaster what was refused yesterday, with links that release it (digest_url); once a day",
    usage: ['[--domain=DOMAIN] [--dry-run] [--again] [--json]'],
    options: {
      domain: { label: 'DOMAIN', example: 'example.com', doc: 'this one alone' },
      'dry-run': { doc: 'say what would be sent' },
      again: { doc: 'also if it has been sent' },
      ...json,
    },
    words: 'any',
    exits: unreachable,
    run: async (task) => (await import('./digest.js')).digest(task),
  }),
  row({
    name: 'quarantine check',
    doc: 'mend indexes: mails without a line get one, torn lines go',
    usage: ['[YDAY/DOMAIN ...] [--json]'],
    options: json,
    words: 'any',
    run: async (task) => (await import('./care.js')).check(task),
  }),
  row({
    name: 'quarantine stats',
    doc: 'how much there is, by day, plugin, reason, domain, sender, client',
    usage: ['[SEARCH ...] [--here] [--json]'],
    options: onMails,
    words: 'search',
    details: search,
    run: async (task) => (await import('./stats.js')).stats(task),
  }),
  onSettings({
    name: 'quarantine completion',
    doc: 'what a shell evaluates to complete all commands of postern: eval "$(postern quarantine completion bash)"',
    usage: ['bash|zsh|fish'],
    words: 'any',
    run: async (task) => (await import('../command/completion.js')).completion(task, all()),
  }),
];
