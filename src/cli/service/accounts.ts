/** The system's users and groups by name: Node has no getpwnam(3). */
import { spawnSync } from 'node:child_process';

/**
 * The number of a user or group; a name that is a number stands for itself. Throws where there is none of that name.
 */
export function accountNumber(database: 'passwd' | 'group', name: string): number {
  if (/^\d+$/.test(name)) return Number(name);
  const { status, stdout } = spawnSync('getent', [database, name], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`there is no such ${database === 'group' ? 'group' : 'user'}`);
  return Number(stdout.split(':')[2]);
}
