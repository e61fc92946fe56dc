/** The rows of `postern import`. */
import { type CommandRow, onSettings } from '../command/command.js';

/** What one can come from. */
export type ImportSource = 'ms-lite' | 'haraka' | 'postfix' | 'rspamd' | 'spf-milter' | 'pyspf-milter' | 'sos-milter';

interface SourceRow {
  readonly doc: string;
  readonly usage: string;
  /** What is read where no path is given. */
  readonly path: string;
  /** Where the file of settings of a milter goes. */
  readonly to?: string;
}

export const sources: Readonly<Record<ImportSource, SourceRow>> = {
  'ms-lite': {
    doc: 'the tree in /srv, the quarantine, and qpsmtpd’s own configuration, as ms-lite had them',
    usage: '[FOLDER]',
    path: '/etc/qpsmtpd',
  },
  haraka: {
    doc: 'config/*.ini, host_list, access lists and the plugins of Haraka',
    usage: '[FOLDER]',
    path: '/etc/haraka',
  },
  postfix: {
    doc: 'domains, users, access maps, postscreen and restrictions of a Postfix that has port 25',
    usage: '[FOLDER]',
    path: '/etc/postfix',
  },
  rspamd: { doc: 'greylisting and the thresholds of rspamd', usage: '[FOLDER]', path: '/etc/rspamd' },
  'spf-milter': {
    doc: 'the parameters of spf-milter, which postern milter takes as they are',
    usage: '[FILE] [--to=FILE]',
    path: '/etc/spf-milter.conf',
    to: '/etc/spf-milter.conf',
  },
  'pyspf-milter': {
    doc: 'the options of pyspf-milter or policyd-spf, as parameters of postern milter',
    usage: '[FILE] [--to=FILE]',
    path: '/etc/pyspf-milter/pyspf-milter.conf',
    to: '/etc/spf-milter.conf',
  },
  'sos-milter': {
    doc: 'the environment of sos-milter, which postern milter --policy submission takes as it is',
    usage: 'FILE [--to=FILE]',
    path: '/etc/default/sos-milter',
    to: '/etc/postern/submission.env',
  },
};

const options = {
  apply: { doc: 'make the changes; without it they are only said' },
  json: { doc: 'one JSON object a line for each step and each note' },
};

export const importCommands: readonly CommandRow[] = [
  { name: 'import', doc: 'come over from ms-lite, Haraka, Postfix, rspamd, spf-milter, pyspf-milter or sos-milter' },
  ...Object.entries(sources).map(([source, { doc, usage, path, to }]) =>
    onSettings({
      name: `import ${source}`,
      doc,
      usage: [`${usage} [--apply] [--json] [-c FILE] [--SETTING=VALUE ...]`],
      options: {
        ...options,
        ...(to !== undefined && { to: { label: 'FILE', example: to, doc: `the file to write (${to})` } }),
      },
      words: 'any',
      details:
        () => `reads ${path}, unless another is named, and changes nothing there. What is in /srv, in the settings or in the
list of plugins already stays as it is, so that it may be run again
`,
      exits: { 66: 'there is nothing to read', 74: 'something cannot be read or written' },
      run: async (task) => (await import('./import.js')).importFrom(source as ImportSource, task),
    }),
  ),
];
