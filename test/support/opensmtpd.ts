/** A private OpenSMTPD with the smtpd.conf of docs/in-front-of.md. */
import { existsSync } from 'node:fs';
import { type LocalMta, type OwnSystem, startLocalMta, unpacked } from './own-system.js';
import { recipe } from './recipes.js';

const programs = unpacked('opensmtpd');

export const isOpensmtpdThere = (): boolean => existsSync(`${programs}/usr/sbin/smtpd`);

/** `edit` changes its smtpd.conf. */
export function startOpensmtpd(people: readonly string[], edit = (conf: string): string => conf): Promise<LocalMta> {
  const begin = async (system: OwnSystem, port: number): Promise<void> => {
    system.write('/etc/smtpd.conf', edit(recipe('/etc/smtpd.conf', port)));
    system.folder('/var/lib/opensmtpd/empty');
    await system.up(port, '/usr/sbin/smtpd', '-d');
  };
  const options = { programs, services: ['opensmtpd', 'opensmtpq'], people };
  return startLocalMta(options, begin, (system) => system.output);
}
