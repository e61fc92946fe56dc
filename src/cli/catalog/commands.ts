/** The rows of `postern catalog`: the database that several hosts share. */
import { type CommandRow, onSettings } from '../command/command.js';

const json = { doc: 'one JSON object' };
const down = { 69: 'the catalog cannot be reached, or has no tables' };

export const catalogCommands: readonly CommandRow[] = [
  { name: 'catalog', doc: 'the database in which several hosts have what they refuse (the setting catalog)' },
  onSettings({
    name: 'catalog migrate',
    doc: 'make the tables, or bring them up to this postern; once, on one host, before the others start',
    usage: ['[--json]'],
    options: { json },
    exits: down,
    run: async (task) => (await import('./catalog.js')).migrateCatalog(task),
  }),
  onSettings({
    name: 'catalog status',
    doc: 'which tables there are, which hosts ship, how many mails there are and what could not be taken',
    usage: ['[--json]'],
    options: { json },
    exits: down,
    run: async (task) => (await import('./catalog.js')).showStatus(task),
  }),
  onSettings({
    name: 'catalog check',
    doc: 'read everything in it and its store: are all mails there and whole, and is what was counted what there is?',
    usage: ['[--since=DAY] [--json]'],
    options: {
      since: { label: 'DAY', example: '2026-11-28', doc: 'days from this one on' },
      json: { doc: 'one JSON object a finding, then one of what was read' },
    },
    exits: { 1: 'something is missing, damaged or counted wrong', ...down },
    run: async (task) => (await import('./check.js')).check(task),
  }),
  onSettings({
    name: 'catalog ship',
    doc: 'bring what this host has refused into the catalog (serve does so by itself)',
    usage: ['[--once]'],
    options: { once: { doc: 'what there is now, and no more; what the catalog has already stays as it is' } },
    exits: { ...down, 77: 'the user cannot be changed' },
    run: async (task) => (await import('./ship.js')).ship(task),
  }),
];
