/** `postern srv lint`: what in /srv can never count, or counts otherwise than it looks. */
import type { Plugin } from '../../hooks/plugin.js';
import type { Settings } from '../../settings/settings.js';
import { say } from '../complain.js';
import { exit } from '../exit-codes.js';
import { jsonLine, render, shown, type Terminal } from '../terminal.js';
import type { Line } from '../../text/line.js';
import { findingsIn } from './findings.js';

const dataError = 65; // EX_DATAERR

interface LintTask {
  readonly settings: Settings;
  readonly plugins: readonly Plugin[];
  readonly json: boolean;
  readonly terminal: Terminal;
}

export function srvLint({ settings, plugins, json, terminal }: LintTask): number {
  let found = 0;
  const findings = findingsIn(settings, plugins);
  let next = findings.next();
  for (; next.done !== true; next = findings.next()) {
    found++;
    const { path, problem } = next.value;
    const line: Line = [[shown(`${settings.srv}/${path}`, 1000), 'bold'], [`  ${shown(problem)}`]];
    process.stdout.write(json ? jsonLine({ path, problem }) : render([line], terminal));
  }
  if (found === 0 && !json)
    say(
      next.value.domains === 0
        ? `${settings.srv}: hosts no domain; postern srv add-domain makes one`
        : `${settings.srv}: every marker can count`,
    );
  return found === 0 ? exit.ok : dataError;
}
