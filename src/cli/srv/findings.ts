/** What `postern srv lint` and `check-config` find in /srv: the tree's lint, told which checks and users there are. */
import { spawnSync } from 'node:child_process';
import type { Stats } from 'node:fs';
import type { Plugin } from '../../hooks/plugin.js';
import { readDestinations } from '../../relay/destination/destination.js';
import { ownDestination } from '../../settings/cross-checks.js';
import { nearest } from '../../settings/nearest.js';
import type { Settings } from '../../settings/settings.js';
import { readExpiry } from '../../srv/expiry.js';
import type { KnownCheck } from '../../srv/known-check.js';
import { lintTree, type MarkerFinding, type TreeCounts } from '../../srv/lint.js';
import { shippedLists } from '../serve/survey.js';

export function knownChecks(plugins: readonly Plugin[]): readonly KnownCheck[] {
  return plugins
    .filter(({ inAll }) => inAll !== undefined)
    .map(({ name, list, listProblems }) => ({
      name,
      ...(list !== undefined && { list }),
      ...(listProblems && { listProblems }),
    }));
}

/** Yields one finding after the other as it walks the tree; returns what there is in it. */
export const findingsIn = (
  { srv, user, listen }: Settings,
  plugins: readonly Plugin[],
): Generator<MarkerFinding, TreeCounts> =>
  lintTree({
    root: srv,
    checks: knownChecks(plugins),
    shippedLists: new Map(shippedLists.map(([check, list]) => [list, check])),
    expiryProblem: (lines) => {
      const read = readExpiry(lines);
      return read.ok ? undefined : read.problem;
    },
    relayProblem: (text) => {
      const read = readDestinations(text);
      return read.ok ? ownDestination(read.value, listen) : read.problem;
    },
    nearest,
    mayRead: readableBy(user),
  });

function readableBy(user: string): (stats: Stats) => boolean {
  const may = rightsOf(user);
  return (stats) => may(stats, stats.isDirectory() ? 0o5 : 0o4);
}

/**
 * Judges by owner and mode, for the user of the settings, who need not be the one that runs the command: has he these
 * rights, of which 4 is to read, 2 to write, 1 to enter?
 */
export function rightsOf(user: string): (stats: Stats, rights: number) => boolean {
  const uid = user === '' ? (process.getuid?.() ?? 0) : idOf('-u', user)[0];
  const gids = user === '' ? [process.getgid?.() ?? 0, ...(process.getgroups?.() ?? [])] : idOf('-G', user);
  if (uid === 0 || uid === undefined) return () => true;
  return (stats, rights) => {
    const shift = stats.uid === uid ? 6 : gids.includes(stats.gid) ? 3 : 0;
    return ((stats.mode >> shift) & rights) === rights;
  };
}

function idOf(flag: '-u' | '-G', user: string): number[] {
  const { status, stdout } = spawnSync('id', [flag, '--', user], { encoding: 'utf8' });
  return status === 0 ? stdout.trim().split(/\s+/).map(Number) : [];
}
