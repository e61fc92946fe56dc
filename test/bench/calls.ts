/** System calls for one mail: they can be counted on a busy machine as well, times cannot. */
import { spawnSync } from 'node:child_process';
import { traced } from '../support/strace.js';
import { busiestOf } from './child.js';
import { type Cell, type SampleOptions, give } from './cells.js';

export interface Calls {
  readonly stats: number;
  readonly writes: number;
  readonly syncs: number;
}

const kinds: Readonly<Record<keyof Calls, RegExp>> = {
  stats: /^\w*stat\w*\(/,
  // Not the words by which threads wake each other.
  writes: /^(?:write|writev|pwrite64|sendto|sendmsg)\((?!\d+<anon_inode:\[eventfd\]>)/,
  syncs: /^(?:fsync|fdatasync)\(/,
};

const traceable = '?stat,?lstat,statx,newfstatat,write,writev,pwrite64,sendto,sendmsg,fsync,fdatasync';

export const canTrace = (): boolean => spawnSync('strace', ['-V']).status === 0;

/** Counted in the process of the server that works hardest. */
export async function countCalls(options: SampleOptions & { readonly cell: Cell }): Promise<Calls> {
  const count = Math.min(400, options.cell.count);
  const lines = await traced(busiestOf(options.server.child.pid), traceable, async () => {
    await give({ ...options, cell: { ...options.cell, count } });
  });
  const perMail = (kind: RegExp): number => lines.filter((call) => kind.test(call)).length / count;
  return { stats: perMail(kinds.stats), writes: perMail(kinds.writes), syncs: perMail(kinds.syncs) };
}
