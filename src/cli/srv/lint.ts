/** `postern srv lint`: what in /srv can never count, or counts otherwise than it looks. */
import { spawnSync } from 'node:child_process';
import type { Stats } from 'node:fs';
import { readZone } from '../../../plugins/shared/dns-list-check.js';
import type { Plugin } from '../../hooks/plugin.js';
import { nearest } from '../../settings/nearest.js';
import type { Settings } from '../../settings/settings.js';
import type { KnownCheck } from '../../srv/known-check.js';
import { lintTree } from '../../srv/lint.js';
import { say } from '../complain.js';
import { exit } from '../exit-codes.js';
import { readExpiry } from '../../srv/expiry.js';
import { jsonLine, render, shown, type Terminal } from '../terminal.js';
import type { Line } from '../../text/line.js';

export const dataError = 65; // EX_DATAERR

export function knownChecks(plugins: readonly Plugin[]): readonly KnownCheck[] {
  return plugins
    .filter(({ inAll }) => inAll !== undefined)
    .map(({ name, list }) => ({ name, ...(list !== undefined && { list }) }));
}

interface LintTask {
  readonly settings: Settings;
  readonly plugins: readonly Plugin[];
  readonly json: boolean;
  readonly terminal: Terminal;
}

export function srvLint({ settings, plugins, json, terminal }: LintTask): number {
  let found = 0;
  const findings = lintTree({
    root: settings.srv,
    checks: knownChecks(plugins),
    isListLine: (_list, line) => readZone(line) !== undefined,
    expiryProblem: (lines) => {
      const read = readExpiry(lines);
      return read.ok ? undefined : read.problem;
    },
    nearest,
    mayRead: readableBy(settings.user),
  });
  for (const { path, problem } of findings) {
    found++;
    const line: Line = [[shown(`${settings.srv}/${path}`, 1000), 'bold'], [`  ${shown(problem)}`]];
    process.stdout.write(json ? jsonLine({ path, problem }) : render([line], terminal));
  }
  if (found === 0 && !json) say(`${settings.srv}: every marker can count`);
  return found === 0 ? exit.ok : dataError;
}

/** Judges by owner and mode, for the user of the settings, who need not be the one that runs the command. */
function readableBy(user: string): (stats: Stats) => boolean {
  const uid = user === '' ? (process.getuid?.() ?? 0) : idOf('-u', user)[0];
  const gids = user === '' ? [process.getgid?.() ?? 0, ...(process.getgroups?.() ?? [])] : idOf('-G', user);
  if (uid === 0 || uid === undefined) return () => true;
  return (stats) => {
    const shift = stats.uid === uid ? 6 : gids.includes(stats.gid) ? 3 : 0;
    const needed = stats.isDirectory() ? 0o5 : 0o4;
    return ((stats.mode >> shift) & needed) === needed;
  };
}

function idOf(flag: '-u' | '-G', user: string): number[] {
  const { status, stdout } = spawnSync('id', [flag, '--', user], { encoding: 'utf8' });
  return status === 0 ? stdout.trim().split(/\s+/).map(Number) : [];
}
