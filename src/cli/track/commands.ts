/** The commands on the journal: what became of every mail. */
import { journalKeys } from '../../journal/query.js';
import { type CommandRow, onSettings } from '../command/command.js';

const here = { here: { doc: "this host's files alone, where the catalog has the journal of all hosts" } };
const down = { 69: 'the catalog cannot be reached, or has no tables' };
const forms = {
  json: { doc: 'JSON, one object a line' },
  csv: { doc: 'a table for spreadsheets' },
  utc: { doc: "times in UTC, not in this machine's zone" },
};
const keys = Object.keys(journalKeys);

const searchHelp =
  (): string => `SEARCH is words and KEY:VALUE; -KEY:VALUE finds what is not so. A whole address, or @domain, finds just that
${Object.entries(journalKeys)
  .map(([key, doc]) => `  ${`${key}:`.padEnd(13)} ${doc}\n`)
  .join('')}`;

export const trackCommands: readonly CommandRow[] = [
  onSettings({
    name: 'track',
    doc: 'what became of mails, the newest first; with an ID the story of one, over all its tries',
    usage: ['[SEARCH ...] [--limit=N | --all] [--here] [--json | --csv] [--utc]', 'ID [--here] [--json] [--utc]'],
    options: {
      limit: { label: 'N', example: '50', doc: 'so many lines, not the newest 50' },
      all: { doc: 'all lines' },
      ...here,
      ...forms,
    },
    details: searchHelp,
    words: 'search',
    keys,
    exits: { 1: 'nothing found', ...down, 74: 'the journal cannot be read' },
    run: async (task) => (await import('./track.js')).track(task),
  }),
  onSettings({
    name: 'tail',
    doc: 'what becomes of mails on this host from now on, over all workers, until INT or TERM',
    usage: ['[SEARCH ...] [--json | --csv] [--utc]'],
    options: forms,
    details: searchHelp,
    words: 'search',
    keys,
    exits: { 74: 'the journal cannot be read' },
    run: async (task) => (await import('./tail.js')).tail(task),
  }),
  { name: 'journal', doc: 'the journal as a whole: its numbers, and what it is to forget' },
  onSettings({
    name: 'journal stats',
    doc: 'all mail in numbers: by day, verdict, refusing plugin, domain, sender and client',
    usage: ['[DOMAIN ...] [--days=N] [--here] [--json]'],
    options: {
      days: { label: 'N', example: '14', doc: 'so many days, today included, not 14' },
      ...here,
      json: { doc: 'one JSON object' },
    },
    words: 'any',
    exits: { 1: 'no mail', ...down, 74: 'the journal cannot be read' },
    run: async (task) => (await import('./stats.js')).journalStats(task),
  }),
  onSettings({
    name: 'journal erase',
    doc: 'take an address out of each line that names it, and the subject with it; postern audit says that it was done',
    usage: ['ADDRESS [--here]'],
    options: here,
    details:
      () => `logs and the quarantine are not looked at; with a catalog every host follows in its files within a minute
`,
    words: 'any',
    exits: { 1: 'no line names it', ...down, 74: 'the journal cannot be read or written' },
    run: async (task) => (await import('./erase.js')).erase(task),
  }),
];
