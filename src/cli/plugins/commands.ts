/** The rows of `postern plugins` and `postern plugin`. */
import { type CommandRow, onSettings } from '../command/command.js';

export const pluginCommands: readonly CommandRow[] = [
  onSettings({
    name: 'plugins',
    doc: 'the plugins that there are, in the order in which they are asked, and what each does; the manual of one',
    usage: ['[NAME] [--json]'],
    options: { json: { doc: 'JSON, one object a line' } },
    words: 'any',
    details: () => `those that are not in the list (setting plugins) come last; NAME prints the head of its file.
No plugin is run for it: postern check-config says whether each can be loaded
`,
    exits: { 1: 'there is no such plugin, or one of the list is not there' },
    run: async (task) => (await import('./list.js')).listPlugins(task),
  }),
  { name: 'plugin', doc: 'make a plugin of your own (new)' },
  onSettings({
    name: 'plugin new',
    doc: 'write a check of your own, its test, and the marker that tries it out for a domain',
    usage: ['NAME [DOMAIN]'],
    words: 'any',
    details: () => `writes NAME.mjs and NAME.test.mjs into the first folder of the setting plugin_dirs, and for a DOMAIN
/srv/DOMAIN/checks/NAME with the word log: what the check would reject is logged, and taken. Where no package postern is
found from that folder, node_modules/postern there points to this one, for tests and editors. Files that are there stay
`,
    exits: { 73: 'a file is there already, or cannot be written', 74: '/srv cannot be read or written' },
    run: async (task) => (await import('./new.js')).newPlugin(task),
  }),
];
