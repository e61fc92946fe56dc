/** Giving up root once the port is open. Node's io_uring mode would keep the old credentials on its own threads. */
import type { Settings } from '../settings.js';

/** What is wrong, or undefined once the process is who it should be. */
export function dropPrivileges({ user, group }: Settings): string | undefined {
  if (user === '' && group === '') return undefined;
  try {
    const account = numberOr(user);
    if (group !== '') process.setgid?.(numberOr(group));
    if (user !== '' && process.getuid?.() === 0)
      processOf.initgroups?.(account, group === '' ? account : numberOr(group));
    if (user !== '') process.setuid?.(account);
  } catch (error) {
    return `user = ${user}, group = ${group}: ${(error as Error).message}; both must exist, and only root can become another`;
  }
  return user !== '' && process.getuid?.() === 0 && user !== 'root' && user !== '0'
    ? `user = ${user}: the process is still root`
    : undefined;
}

/** Missing in @types/node 20. */
const processOf = process as NodeJS.Process & { initgroups?(user: string | number, group: string | number): void };

const numberOr = (name: string): string | number => (/^\d+$/.test(name) ? Number(name) : name);
