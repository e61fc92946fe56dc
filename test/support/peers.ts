/**
 * Programs of others that a test needs beside postern. Where one is missing the test is skipped, so that `npm test`
 * needs Node alone; with POSTERN_REQUIRE_PEERS=1 (.ci/run) a missing one is a failure.
 */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import type { TestContext } from 'node:test';
import { isEximThere } from './exim.js';
import { isOpensmtpdThere } from './opensmtpd.js';
import { postgresBin } from './postgres.js';
import { sendmailRoot } from './sendmail.js';

/** What cannot be told from a program in the PATH, and how it is told. */
const probes: Readonly<Record<string, () => boolean>> = {
  postfix: () => isRoot() && existsSync('/usr/lib/postfix/sbin/master') && hasProgram('smtp-source'),
  // Not the program of that name that Postfix has, too.
  'real-sendmail': () => isRoot() && sendmailRoot() !== undefined && hasProgram('m4') && hasProgram('unshare'),
  'dovecot-lmtp': () => isRoot() && existsSync('/usr/lib/dovecot/lmtp'),
  exim: () => isRoot() && isEximThere() && hasProgram('unshare'),
  opensmtpd: () => isRoot() && isOpensmtpdThere() && hasProgram('unshare'),
  // Accounts for Sendmail's AUTH; saslpasswd2 brings the folder that is mounted over.
  sasl: () => hasProgram('saslpasswd2') && existsSync('/usr/lib/sasl2') && hasProgram('mount'),
  strace: () => isRoot() && hasProgram('strace') && spawnSync('strace', ['-f', '-o', '/dev/null', 'true']).status === 0,
  postgres: () => postgresBin() !== undefined,
  'mail-srs': () => spawnSync('perl', ['-MMail::SRS', '-e', '1']).status === 0,
  tmpfs: canMountTmpfs,
  'python3-yaml': () => spawnSync('python3', ['-c', 'import yaml']).status === 0,
  root: isRoot,
};

const whatIsMissing: Readonly<Record<string, string>> = {
  postfix: 'postfix is not installed, or this is not root',
  'real-sendmail': 'Sendmail (with its m4 files), m4 or unshare is not installed, or this is not root',
  'dovecot-lmtp': 'dovecot-lmtpd is not installed, or this is not root',
  exim: 'Exim is not unpacked as in .ci/run, or unshare is not installed, or this is not root',
  opensmtpd: 'OpenSMTPD is not unpacked as in .ci/run, or unshare is not installed, or this is not root',
  sasl: 'sasl2-bin is not installed',
  postgres: 'PostgreSQL is not installed',
  strace: 'strace is not installed, or may not trace',
  'mail-srs': 'libmail-srs-perl is not installed',
  tmpfs: 'this user may not mount a tmpfs',
  'python3-yaml': 'python3-yaml is not installed',
  root: 'this is not root',
};

const answers = new Map<string, boolean>();

/** Are all of them there? If not, the test is skipped, or fails where peers are required: return then. */
export function needPeer(t: TestContext, ...names: readonly string[]): boolean {
  const missing = names.find((name) => !isThere(name));
  if (missing === undefined) return true;
  const why = whatIsMissing[missing] ?? `${missing} is not installed`;
  if (process.env['POSTERN_REQUIRE_PEERS'] === '1') throw new Error(`${why}, and POSTERN_REQUIRE_PEERS=1 asks for it`);
  t.skip(why);
  return false;
}

/** Is it there? For what a test file prepares; its tests ask `needPeer`. */
export const hasPeer = (name: string): boolean => isThere(name);

function isThere(name: string): boolean {
  const known = answers.get(name) ?? probes[name]?.() ?? hasProgram(name);
  answers.set(name, known);
  return known;
}

function isRoot(): boolean {
  return process.getuid?.() === 0;
}

function hasProgram(name: string): boolean {
  return [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin'].some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return folder !== '';
    } catch {
      return false;
    }
  });
}

function canMountTmpfs(): boolean {
  if (!isRoot()) return false;
  const folder = mkdtempSync(join(tmpdir(), 'mount-'));
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', folder]).status === 0;
  if (mounted) spawnSync('umount', [folder]);
  rmdirSync(folder);
  return mounted;
}
