/** Giving up root once the port is open. Node's io_uring mode would keep the old credentials on its own threads. */
import { spawnSync } from 'node:child_process';
import { chownSync, closeSync, existsSync, openSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { accountNumber } from './accounts.js';
import type { Settings } from '../../settings/settings.js';
import { errorText } from '../../mail/error-text.js';

/**
 * Returns what is wrong; undefined once the process is who it should be. `user` without `group` takes the user's own
 * group too.
 */
export function dropPrivileges({ user, group }: Account): string | undefined {
  if (user === '' && group === '') return undefined;
  try {
    const account = numberOr(user);
    const isRoot = process.getuid?.() === 0;
    const groupId = group === '' && isRoot ? ownGroup(user) : numberOr(group);
    if (groupId !== '') process.setgid?.(groupId);
    if (user !== '' && isRoot) processOf.initgroups?.(account, groupId);
    if (user !== '') process.setuid?.(account);
  } catch (error) {
    const given = [user && `user = ${user}`, group && `group = ${group}`].filter((text) => text !== '').join(', ');
    return `${given}: ${errorText(error)}; name one that exists; only root can become another`;
  }
  return user !== '' && process.getuid?.() === 0 && user !== 'root' && user !== '0'
    ? `user = ${user}: the process is still root`
    : undefined;
}

export type Account = Pick<Settings, 'user' | 'group'>;

/**
 * Folders that we made while still root, from `last` up to `first`, become the user's; what was there before is the
 * operator's.
 */
export function giveFolders(last: string, first: string, { user, group }: Account): void {
  if (process.getuid?.() !== 0 || user === '') return;
  const ids = idsOf({ user, group });
  if (!ids) return; // dropPrivileges says which account there is not
  const top = resolve(first);
  for (let folder = resolve(last); folder.startsWith(top); folder = dirname(folder)) chownSync(folder, ...ids);
}

/** What is wrong with the log file; undefined once it is there, and the user's where we made it while still root. */
export function makeLogFile({ log_file, user, group }: Settings): string | undefined {
  if (log_file === '') return undefined;
  try {
    const isNew = !existsSync(log_file);
    closeSync(openSync(log_file, 'a', 0o640));
    const ids = isNew && process.getuid?.() === 0 && user !== '' ? idsOf({ user, group }) : undefined;
    if (ids) chownSync(log_file, ...ids);
    return undefined;
  } catch (error) {
    return `log_file = ${log_file}: ${errorText(error)}; its folder must be there, and postern may write there`;
  }
}

/** Node cannot ask for another user's group; id(1) asks where the system does. */
const ownGroup = (user: string): number => idOf('-g', user);

function idOf(flag: '-u' | '-g', user: string): number {
  const { status, stdout } = spawnSync('id', [flag, '--', user], { encoding: 'utf8' });
  if (status !== 0) throw new Error('there is no such user');
  return Number(stdout);
}

function idsOf({ user, group }: Account): readonly [uid: number, gid: number] | undefined {
  try {
    const uid = /^\d+$/.test(user) ? Number(user) : idOf('-u', user);
    return [uid, group === '' ? idOf('-g', user) : accountNumber('group', group)];
  } catch {
    return undefined;
  }
}

/** Missing in @types/node 20. */
const processOf = process as NodeJS.Process & { initgroups?(user: string | number, group: string | number): void };

const numberOr = (name: string): string | number => (/^\d+$/.test(name) ? Number(name) : name);
