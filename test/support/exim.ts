/** A private Exim, as Debian configures it, with the listener of docs/in-front-of.md. */
import { cpSync, existsSync, readFileSync } from 'node:fs';
import { type LocalMta, type OwnSystem, startLocalMta, unpacked } from './own-system.js';
import { recipe } from './recipes.js';

const programs = unpacked('exim');
const service = 'Debian-exim';
const files = ['update-exim4.conf.conf', 'exim4.conf.localmacros', 'postern-main'].concat(
  ['mail', 'rcpt', 'data'].map((name) => `postern-${name}.acl`),
);

export const isEximThere = (): boolean => existsSync(`${programs}/usr/sbin/exim4`);

/** `trusting`: the port has none of the page's rules, and so Debian's own. */
export const startExim = (people: readonly string[], { trusting = false } = {}): Promise<LocalMta> =>
  startLocalMta(
    { programs, services: [service], people },
    (system, port) => begin(system, port, trusting ? files.slice(0, 1) : files),
    (system) => system.read('/var/log/exim4/mainlog'),
  );

async function begin(system: OwnSystem, port: number, written: readonly string[]): Promise<void> {
  cpSync(`${programs}/etc/exim4`, system.folder('/etc/exim4'), { recursive: true });
  for (const file of written) system.write(`/etc/exim4/${file}`, recipe(`/etc/exim4/${file}`, port));
  const template = readFileSync(`${programs}/etc/exim4/exim4.conf.template`, 'utf8');
  const include = '.include_if_exists /etc/exim4/postern-main';
  system.write('/etc/exim4/exim4.conf.template', template.replace(/^begin acl$/m, `${include}\n$&`));
  for (const path of ['/var/lib/exim4', '/run/exim4']) system.folder(path);
  for (const path of ['/var/log/exim4', '/var/spool/exim4']) system.give(path, service);
  system.run('/usr/sbin/update-exim4.conf');
  await system.up(port, '/usr/sbin/exim4', '-bdf');
}
