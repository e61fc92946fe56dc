/** Giving up root once the port is open. Node's io_uring mode would keep the old credentials on its own threads. */
import { spawnSync } from 'node:child_process';
import type { Settings } from '../settings.js';

/** What is wrong, or undefined once the process is who it should be. `user` without `group` takes the user's own group too. */
export function dropPrivileges({ user, group }: Settings): string | undefined {
  if (user === '' && group === '') return undefined;
  try {
    const account = numberOr(user);
    const isRoot = process.getuid?.() === 0;
    const groupId = group === '' && isRoot ? ownGroup(user) : numberOr(group);
    if (groupId !== '') process.setgid?.(groupId);
    if (user !== '' && isRoot) processOf.initgroups?.(account, groupId);
    if (user !== '') process.setuid?.(account);
  } catch (error) {
    return `user = ${user}, group = ${group}: ${(error as Error).message}; both must exist, and only root can become another`;
  }
  return user !== '' && process.getuid?.() === 0 && user !== 'root' && user !== '0'
    ? `user = ${user}: the process is still root`
    : undefined;
}

/** Node cannot ask for another user's group; id(1) asks where the system does. */
function ownGroup(user: string): number {
  const { status, stdout } = spawnSync('id', ['-g', '--', user], { encoding: 'utf8' });
  if (status !== 0) throw new Error('there is no such user');
  return Number(stdout);
}

/** Missing in @types/node 20. */
const processOf = process as NodeJS.Process & { initgroups?(user: string | number, group: string | number): void };

const numberOr = (name: string): string | number => (/^\d+$/.test(name) ? Number(name) : name);
