/** Real milters in a temporary folder, each on a UNIX socket, with rules of their own and no network. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { words } from './scanners.js';

export type RealFilterName = 'opendkim' | 'opendmarc' | 'clamav-milter' | 'spamass-milter' | 'rspamd' | 'postern';

interface FilterRecipe {
  readonly program: string;
  readonly args: readonly string[];
  readonly files: Readonly<Record<string, string>>;
}

/** `scanner` is the socket of the program that clamav-milter and spamass-milter ask. */
const recipes: Readonly<Record<RealFilterName, (folder: string, given: FilterGiven) => FilterRecipe>> = {
  opendkim: (folder, { dns = '' }) => ({
    program: 'opendkim',
    args: ['-f', '-x', join(folder, 'conf')],
    files: {
      conf: [
        `Socket local:${folder}/s\nMode v\nBackground no\nSyslog no\nAlwaysAddARHeader yes\nRequireSafeKeys no`,
        `TestDNSData ${folder}/dns\nPidFile ${folder}/pid\n`,
      ].join('\n'),
      dns,
    },
  }),
  opendmarc: (folder) => ({
    program: 'opendmarc',
    args: ['-f', '-c', join(folder, 'conf')],
    files: {
      conf: [
        `Socket local:${folder}/s\nBackground false\nSyslog false\nPidFile ${folder}/pid`,
        'AuthservID mx.test.example\nTrustedAuthservIDs mx.test.example\nIgnoreHosts /dev/null\n',
      ].join('\n'),
    },
  }),
  'clamav-milter': (folder, { scanner = '' }) => ({
    program: 'clamav-milter',
    args: ['-c', join(folder, 'conf')],
    files: {
      conf: [
        `MilterSocket unix:${folder}/s\nMilterSocketMode 666\nClamdSocket unix:${scanner}\nForeground yes`,
        'OnInfected Reject\nRejectMsg Infected: %v\nAddHeader Replace\nLogFile /dev/null\n',
      ].join('\n'),
    },
  }),
  'spamass-milter': (folder, { scanner = '' }) => ({
    program: 'spamass-milter',
    args: ['-p', `${folder}/s`, '-r', '10', '--', '-U', scanner],
    files: {},
  }),
  rspamd: (folder) => ({
    program: 'rspamd',
    args: ['-i', '-f', '-c', join(folder, 'conf')],
    files: {
      tlds: 'com\nexample\n',
      conf: [
        `options { pidfile = "${folder}/pid"; control_socket = "${folder}/control mode=0600"; tempdir = "${folder}";`,
        `  url_tld = "${folder}/tlds"; dns { nameserver = ["127.0.0.1:1"]; timeout = 0.1s; } }`,
        'logging { type = "console"; level = "error"; }',
        'actions { reject = 15; add_header = 6; }',
        `worker "rspamd_proxy" { bind_socket = "${folder}/s mode=0666"; count = 1; milter = yes;`,
        '  upstream "local" { default = yes; self_scan = yes; } }',
        `lua = "${folder}/own.lua";`,
        '',
      ].join('\n'),
      'own.lua': [
        'local function has(word) return function(task) return tostring(task:get_content()):find(word, 1, true) ~= nil end end',
        `rspamd_config.OWN_SPAM = { callback = has('${words.spam}'), score = 20.0 }`,
        `rspamd_config.OWN_ODD = { callback = has('${words.odd}'), score = 7.0 }`,
        '',
      ].join('\n'),
    },
  }),
  postern: (folder, { zone = {} }) => ({
    program: process.execPath,
    args: [
      join(import.meta.dirname, '../../src/main.js'),
      'milter',
      '-c',
      join(folder, 'conf'),
      '-p',
      `unix:${folder}/s`,
    ],
    files: {
      conf: `dns_zone = ${folder}/zone\nheader = Received-SPF, Authentication-Results\n`,
      zone: JSON.stringify(zone),
    },
  }),
};

export interface FilterGiven {
  /** `NAME VALUE`, a line each: what opendkim finds in DNS. */
  readonly dns?: string;
  readonly scanner?: string;
  /** What `postern milter` finds in DNS. */
  readonly zone?: object;
}

export class RealFilter {
  /** As the list of plugins writes it. */
  readonly place: string;
  readonly #folder: string;
  readonly #child: ChildProcess;

  private constructor(folder: string, child: ChildProcess) {
    this.#folder = folder;
    this.place = `unix:${folder}/s`;
    this.#child = child;
  }

  /** Waits until somebody listens on its socket. */
  static async start(name: RealFilterName, given: FilterGiven = {}): Promise<RealFilter> {
    const folder = mkdtempSync(join(tmpdir(), `filter-${name}-`));
    chmodSync(folder, 0o755);
    mkdirSync(join(folder, 'state'));
    const { program, args, files } = recipes[name](folder, given);
    for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, file), text);
    const child = spawn(program, [...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin` },
    });
    let said = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (octets: Buffer) => (said += octets.toString()));
    child.on('error', (error) => (said += error.message));
    const filter = new RealFilter(folder, child);
    for (const late = Date.now() + 60_000; !(await listens(join(folder, 's'))); await sleep(100)) {
      if (child.exitCode === null && child.pid !== undefined && Date.now() < late) continue;
      await filter.close();
      throw new Error(`${name} does not start: ${said}`);
    }
    return filter;
  }

  async close(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null && this.#child.pid !== undefined) {
      const ended = once(this.#child, 'exit');
      this.#child.kill('SIGTERM');
      await Promise.race([ended, sleep(10_000, undefined, { ref: false })]);
      this.#child.kill('SIGKILL');
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function listens(path: string): Promise<boolean> {
  const socket = net.connect({ path });
  return new Promise((resolve) => {
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.end());
  });
}
