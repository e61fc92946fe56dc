/** The rows of `postern srv`. */
import { type CommandRow, onSettings } from '../command/command.js';

type SrvRow = Parameters<typeof onSettings>[0];

const exits = { 74: '/srv cannot be read or written' };
const notThere = { ...exits, 1: 'something was not there' };

const row = (given: Omit<SrvRow, 'run'>, name: SrvCommandName): CommandRow =>
  onSettings({ exits, ...given, run: async (task) => (await import('./srv.js')).srv(name, task) });

export type SrvCommandName =
  'addDomain' | 'allow' | 'block' | 'enable' | 'disable' | 'expire' | 'remove' | 'list' | 'show' | 'lint' | 'explain';

const undo = 'prints the command that would have made each file; to undo, remove the file\n';
const recipientDoc = 'WHAT is a user, mail to whom is never rejected';

export const srvCommands: readonly CommandRow[] = [
  {
    name: 'srv',
    doc: 'make markers (add-domain, allow, block, enable), take them away (disable, remove), look at them (list, show, explain, lint)',
  },
  row(
    {
      name: 'srv add-domain',
      doc: 'the domain is hosted, and these users are valid',
      usage: ['DOMAIN [USER ... | --all-users]'],
      options: { 'all-users': { doc: 'every recipient is valid' } },
      words: 'any',
      details: () => undo,
    },
    'addDomain',
  ),
  row(
    {
      name: 'srv allow',
      doc: 'WHAT is never rejected: an address or network of clients, a sender, or a domain of senders',
      usage: ['DOMAIN|_global_ WHAT ... [--recipient]'],
      options: { recipient: { doc: recipientDoc } },
      words: 'any',
      details: () => undo,
    },
    'allow',
  ),
  row(
    {
      name: 'srv block',
      doc: 'WHAT is rejected: an address or network of clients, a sender, or a domain of senders',
      usage: ['DOMAIN|_global_ WHAT ... [--recipient | --host | --tld]'],
      options: {
        recipient: { doc: 'WHAT is a user who is refused' },
        host: { doc: 'WHAT is the name of clients' },
        tld: { doc: 'WHAT is the last label of the name of clients' },
      },
      words: 'any',
      details: () => undo,
    },
    'block',
  ),
  row(
    {
      name: 'srv enable',
      doc: 'the checks are on for the domain; all stands for all checks',
      usage: ['DOMAIN CHECK ... [--log | --score=POINTS]'],
      options: {
        log: { doc: 'they are only tried out: what they would reject is logged, and taken' },
        score: { label: 'POINTS', example: '2.5', doc: 'what they would reject is taken, with so many points' },
      },
      words: 'any',
      details: () => undo,
    },
    'enable',
  ),
  row(
    {
      name: 'srv disable',
      doc: 'the checks are off for the domain: what srv enable made is taken away',
      usage: ['DOMAIN CHECK ...'],
      words: 'any',
      details: () => 'prints the command that would have removed each file, and says where a check stays on\n',
      exits: notThere,
    },
    'disable',
  ),
  row(
    {
      name: 'srv remove',
      doc: 'take a domain, a user or any other entry of /srv away, with all that is in it; links are not followed',
      usage: ['DOMAIN|ADDRESS|DOMAIN/PATH ... [--yes]'],
      options: { yes: { doc: 'do not ask' } },
      words: 'any',
      details: () => `mails in the quarantine stay. What was removed, and what it held, is in postern audit
`,
      exits: { ...notThere, 1: 'something was not there, or the answer was no' },
    },
    'remove',
  ),
  row(
    {
      name: 'srv list',
      doc: 'the hosted domains: how many users each has, its checks, its lists',
      usage: ['[--json]'],
      options: { json: { doc: 'one JSON object a line for each domain' } },
    },
    'list',
  ),
  row(
    {
      name: 'srv show',
      doc: 'what holds for a domain, and which file says so; for an address as srv explain',
      usage: ['DOMAIN|ADDRESS'],
      words: 'any',
      exits: { ...exits, 1: 'it is not hosted' },
    },
    'show',
  ),
  row(
    {
      name: 'srv expire',
      doc: 'how long refused mail of the domain is kept, such as 90d (0: for ever); what is not given stays as it is',
      usage: ['DOMAIN [DURATION] [--size=SIZE]'],
      options: { size: { label: 'SIZE', example: '1g', doc: 'up to so much of it' } },
      words: 'any',
      details: () => undo,
    },
    'expire',
  ),
  row(
    {
      name: 'srv lint',
      doc: 'say what in /srv can never match, means nothing, leads nowhere, or may not be read',
      usage: ['[--json]'],
      options: { json: { doc: 'one JSON object a line: path and problem' } },
      exits: { ...exits, 65: 'something was found' },
    },
    'lint',
  ),
  row(
    {
      name: 'srv explain',
      doc: 'say which markers decide about mail to ADDRESS, in the order in which they are asked',
      usage: ['ADDRESS [--from=ADDRESS] [--ip=IP]'],
      options: {
        from: { label: 'ADDRESS', example: 'anna@example.org', doc: "the sender; '' or '<>' is the null reverse-path" },
        ip: { label: 'IP', example: '192.0.2.1', doc: "the client's address" },
      },
      words: 'any',
    },
    'explain',
  ),
];
