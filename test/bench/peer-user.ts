/** Whom peers run as: ourselves, or, where we are root, somebody without rights, to whom their folder is given. */
import { chownSync, readFileSync, readdirSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';

export interface PeerUser {
  readonly name: string;
  /** For the child process; none where it runs as ourselves. */
  readonly user?: { readonly uid: number; readonly gid: number };
}

export function userForPeers(dir: string): PeerUser {
  if (process.getuid?.() !== 0) return { name: userInfo().username };
  const [name = '', , uid, gid] =
    readFileSync('/etc/passwd', 'utf8')
      .split('\n')
      .map((line) => line.split(':'))
      .find((fields) => fields[0] === 'nobody') ?? [];
  const user = { uid: Number(uid), gid: Number(gid) };
  if (!(user.uid > 0)) throw new Error('there is no user "nobody"; do not run this as root');
  for (const path of [
    dir,
    ...readdirSync(dir, { recursive: true, encoding: 'utf8' }).map((below) => join(dir, below)),
  ]) {
    chownSync(path, user.uid, user.gid);
  }
  return { name, user };
}
