/** The commands that there are. A new one is one more row; what it does is read when it is called. */
import { catalogCommands } from './catalog/commands.js';
import { importCommands } from './import/commands.js';
import { quarantineCommands } from './quarantine/commands.js';
import { spfCommands } from './spf/commands.js';
import { pluginCommands } from './plugins/commands.js';
import { srvCommands } from './srv/commands.js';
import { trackCommands } from './track/commands.js';
import { type CommandRow, onSettings } from './command/command.js';
import { wrongSettings } from './config/report.js';

const json = { doc: 'JSON, one object a line' };

export const commands: readonly CommandRow[] = [
  {
    name: 'serve',
    doc: 'take mail (--trial: on loopback, with srv-example and a local MTA of its own)',
    usage: ['[-c FILE] [--SETTING=VALUE ...]'],
    details:
      () => `settings stand in /etc/postern.conf as NAME = VALUE, in the environment as POSTERN_NAME, or among the words; each of
these wins over the one before. HUP reads them again, TERM finishes running transactions. postern.conf(5) says more
`,
    settings: 'listed',
    exits: { 69: 'a port cannot be opened', 77: 'the user cannot be changed' },
    run: async (given) => (await import('./serve/serve.js')).serve(given),
  },
  onSettings({
    name: 'check-config',
    doc: 'say everything that is wrong with settings, plugins, certificate and markers',
    usage: ['[-c FILE] [--SETTING=VALUE ...] [--live] [--json]'],
    options: {
      live: { doc: 'look at DNS, local MTA, folders and clock as well: postern doctor' },
      json: { doc: 'one JSON object a line for each problem or warning, then one that sums up' },
    },
    details:
      () => `what is wrong is an error, and a start would fail; markers that can never count are warnings, as in postern srv lint
`,
    settings: 'listed',
    wrong: wrongSettings,
    run: async (task) => (await import('./config/check.js')).checkConfig(task),
  }),
  onSettings({
    name: 'doctor',
    doc: 'say what is not set up right: settings, DNS, certificate, local MTA, lists, folders; sends no mail',
    usage: ['[DOMAIN] [-c FILE] [--SETTING=VALUE ...] [--json]'],
    options: { json: { doc: 'one JSON object a line for each finding, then one that sums up' } },
    details:
      () => `one line a finding: good, note (cannot be known from here), warning (works, but could be better), error; with what to do.
The local MTA is asked by MAIL, RCPT and RSET for an unknown user, a foreign domain and victim%elsewhere.example@DOMAIN
`,
    words: 'any',
    exits: { 1: 'there is an error' },
    wrong: wrongSettings,
    run: async (task) => (await import('./doctor/doctor.js')).doctor(task),
  }),
  onSettings({
    name: 'print-config',
    doc: 'print all settings, and where each comes from',
    usage: ['[-c FILE] [--SETTING=VALUE ...] [--json]', '--directory=FILE [--json]'],
    options: {
      directory: {
        label: 'FILE',
        example: '/etc/postern/users.ldap',
        doc: 'the settings of a directory instead, as valid_users or own_domains_ldap names them',
      },
      json: { doc: 'one JSON object: the file, and of each setting value and source' },
    },
    details: () => `passwords are shown as ***
`,
    settings: 'listed',
    run: async (task) => (await import('./config/print.js')).printConfigCommand(task),
  }),
  onSettings({
    name: 'demo',
    doc: 'send mails to a running trial and show what becomes of them',
    isTrial: true,
    exits: { 69: 'no trial is running', 70: 'a mail met another fate than it was meant to' },
    run: async (task) => (await import('./demo.js')).demo(task),
  }),
  ...quarantineCommands(() => commands),
  ...trackCommands,
  ...srvCommands,
  ...catalogCommands,
  ...pluginCommands,
  ...importCommands,
  onSettings({
    name: 'test',
    doc: 'judge a mail as the MX would, and say what each plugin thinks; nothing is sent or stored',
    usage: [
      '--message=FILE --ip=IP [--helo=NAME] --from=ADDRESS --to=ADDRESS[,...] [--all] [--json]',
      '--replay=MAIL [--ip=IP] [--helo=NAME] [--from=ADDRESS] [--to=ADDRESS] [--all] [--json]',
    ],
    options: {
      message: { label: 'FILE', example: 'mail.eml', doc: 'the mail; - reads it from standard input' },
      replay: {
        label: 'MAIL',
        example: '6AD976HBEEVN63',
        doc:
          'a mail in the quarantine: the ID of its 550, or what "postern quarantine list" prints; its client, HELO name and ' +
          'envelope are those it came with, where no option says otherwise',
      },
      ip: { label: 'IP', example: '192.0.2.1', doc: "the client's address; its name is looked up in the DNS" },
      helo: {
        label: 'NAME',
        example: 'mail.example.org',
        doc: 'what it said at EHLO; without it the address, in brackets',
      },
      from: { label: 'ADDRESS', example: 'user@example.org', doc: "the reverse-path; '' or '<>' is the null one" },
      to: {
        label: 'ADDRESS',
        example: 'alice@example.com',
        doc: 'the recipient; several, with commas between them, as of one transaction',
      },
      all: { doc: 'show checks that are off, or come behind a rejection, too' },
      json: { doc: 'one JSON object' },
    },
    exits: { 66: 'no such mail or file' },
    run: async (task) => (await import('./test/test.js')).test(task),
  }),
  onSettings({
    name: 'web',
    doc: 'the quarantine page alone (serve starts it, too); web token NAME lets somebody in',
    usage: ['[-c FILE] [--SETTING=VALUE ...]'],
    exits: { 69: 'the page cannot be opened', 77: 'the user cannot be changed' },
    run: async (task) => (await import('./web.js')).web(task),
  }),
  onSettings({
    name: 'web token',
    doc: 'let somebody see the page: prints the link, and adds the hash of its token to web_tokens',
    usage: ['NAME [--domain=DOMAIN,...]'],
    options: {
      domain: { label: 'DOMAIN,...', example: 'example.com,example.net', doc: 'mail to these alone, not everything' },
    },
    words: 'any',
    exits: { 73: 'web_tokens cannot be written' },
    run: async (task) => (await import('./web-tokens.js')).makeToken(task),
  }),
  onSettings({
    name: 'web tokens',
    doc: 'who may log in, since when, and to what',
    usage: ['[--json]'],
    options: { json },
    exits: { 73: 'web_tokens cannot be read' },
    run: async (task) => (await import('./web-tokens.js')).listTokens(task),
  }),
  onSettings({
    name: 'web revoke',
    doc: 'take all tokens of that name out; sessions that began with them end',
    usage: ['NAME'],
    words: 'any',
    exits: { 1: 'nobody has that name', 73: 'web_tokens cannot be written' },
    run: async (task) => (await import('./web-tokens.js')).revokeToken(task),
  }),
  onSettings({
    name: 'audit',
    doc: 'who changed what by page, digest link or command, the newest first',
    usage: ['[WORD ...] [--here] [--json] [--all | --limit=N]'],
    options: {
      here: { doc: "this host's file, and not what all hosts have in the catalog" },
      all: { doc: 'not only the newest 50' },
      limit: { label: 'N', example: '50', doc: 'so many of them' },
      json,
    },
    words: 'any',
    exits: { 1: 'nothing found', 69: 'the catalog cannot be reached', 74: 'state/audit cannot be read' },
    run: async (task) => (await import('./audit.js')).audit(task),
  }),
  ...spfCommands,
  {
    name: 'milter',
    doc: 'verify senders for Postfix or Sendmail by SPF, judge what they send on, or run a filter of your own',
    isApart: true,
    run: async (given) => (await import('./milter/milter.js')).milter(given),
  },
];
