/**
 * Haraka (https://haraka.github.io) set up for the work that postern does: one domain, its mailbox looked up as a
 * file, a Date: field required, what is accepted handed on by its own queue/smtp_forward. It keeps no refused mail.
 *
 * Found as HARAKA=/path/to/bin/haraka, in PATH, or where npm puts global packages. With BENCH_PEERS=/a/folder it is
 * installed there where it is missing: never in the repository, which does not need it.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { freePort } from '../support/free-port.js';
import { Child } from './child.js';
import { type Candidate, domain, findProgram, hostname, mailbox, put } from './server.js';
import { userForPeers } from './peer-user.js';

const version = '3.3.4';

const globalPackages = ['/usr/local/lib/node_modules', '/usr/lib/node_modules'];

const recipientPlugin = (users: string): string => `
const { existsSync } = require('node:fs');
exports.hook_rcpt = (next, connection, [recipient]) => {
  const known = /^[\\w.+-]+$/.test(recipient.user) && existsSync(${JSON.stringify(users)} + '/' + recipient.user.toLowerCase());
  if (known) next();
  else next(DENY, 'No such user');
};
`;

const datePlugin = `
exports.hook_data_post = (next, connection) => {
  if (connection.transaction.header.get('Date')) next();
  else next(DENY, 'Missing header - Date:');
};
`;

function find(): string | undefined {
  const own = process.env['BENCH_PEERS'];
  const folders = own === undefined ? globalPackages : [join(own, 'node_modules'), ...globalPackages];
  const places = folders.map((folder) => join(folder, 'Haraka/bin/haraka'));
  if (own !== undefined && !places.some((place) => existsSync(place))) install(own);
  return findProgram(process.env['HARAKA'], [...places, 'haraka']);
}

function install(folder: string): void {
  mkdirSync(folder, { recursive: true });
  const words = ['install', '--prefix', folder, '--no-audit', '--no-fund', '--omit=optional', `Haraka@${version}`];
  spawnSync('npm', words, { stdio: 'inherit' });
}

export const haraka = (workers: number): Candidate => ({
  name: `Haraka, ${workers} processes`,
  async start({ dir, sinkPort, node }) {
    const program = find();
    if (program === undefined) return undefined;
    const port = await freePort();
    const users = join(dir, 'users');
    const files = {
      [`users/${mailbox}`]: '',
      'package.json': '{}',
      'config/me': hostname,
      'config/host_list': domain,
      'config/smtp.ini': `listen=127.0.0.1:${port}\n${workers > 1 ? `nodes=${workers}\n` : ''}`,
      'config/smtp_forward.ini': `host=127.0.0.1\nport=${sinkPort}\n`,
      'config/plugins': ['bench_recipient', 'rcpt_to.in_host_list', 'bench_date', 'queue/smtp_forward', ''].join('\n'),
      'plugins/bench_recipient.js': recipientPlugin(users),
      'plugins/bench_date.js': datePlugin,
    };
    for (const [name, text] of Object.entries(files)) put(join(dir, name), text);
    mkdirSync(join(dir, 'queue'));
    const real = realpathSync(program);
    // It cannot greet without its connection.ini, and its installer copies both.
    for (const name of ['connection.ini', 'log.ini'])
      cpSync(join(dirname(real), '../config', name), join(dir, 'config', name));
    const words = [real, '-c', dir];
    const child = new Child({ program: node, words, log: join(dir, 'log'), ...userForPeers(dir) });
    return { port, child: await child.listening(port), judges: true, isSlow: true };
  },
});
