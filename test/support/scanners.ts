/**
 * Real scanners in a temporary folder: clamd, spamd and rspamd, with signatures and rules of their own, and no
 * network.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** What the rules of spamd and rspamd find in a body, and what clamd's signature does. */
export const words = { spam: 'postern-test-spam', odd: 'postern-test-odd', virus: 'postern-test-virus' } as const;

/** The test file that all scanners know (eicar.org), in two pieces, lest one finds it in here. */
export const eicar = ['X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR', '-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*'].join('');

interface Made {
  readonly program: string;
  readonly args: readonly string[];
  readonly files: Readonly<Record<string, string>>;
}

const made: Readonly<Record<'clamd' | 'spamd' | 'rspamd', (folder: string) => Made>> = {
  clamd: (folder) => ({
    program: 'clamd',
    args: ['-c', join(folder, 'clamd.conf')],
    files: {
      'clamd.conf': `LocalSocket ${folder}/s\nDatabaseDirectory ${folder}/db\nForeground yes\nMaxThreads 4\nStreamMaxLength 1M\n`,
      'db/own.hdb': '44d88612fea8a8f36de82e1278abb02f:68:Eicar-Test\n',
      'db/own.ndb': `Own.Test:0:*:${Buffer.from(words.virus).toString('hex')}\n`,
    },
  }),
  spamd: (folder) => ({
    program: 'spamd',
    args: [
      '--local',
      '--nouser-config',
      '--syslog=null',
      '--min-children=1',
      '--max-children=2',
      '-C',
      folder,
      `--siteconfigpath=${folder}`,
      `--socketpath=${folder}/s`,
      `--pidfile=${folder}/pid`,
    ],
    files: {
      'v320.pre': 'loadplugin Mail::SpamAssassin::Plugin::Check\n',
      'local.cf': [
        'util_rb_tld com example',
        'add_header spam Flag _YESNOCAPS_\nadd_header all Status "_YESNO_, score=_SCORE_ required=_REQD_"',
        `body OWN_SPAM /${words.spam}/\nscore OWN_SPAM 12`,
        `body OWN_ODD /${words.odd}/\nscore OWN_ODD 6`,
        // The trace field that postern puts on top says who the client is.
        'header OWN_CLIENT X-Spam-Relays-Untrusted =~ /^\\[ ip=203\\.0\\.113\\.66 /\nscore OWN_CLIENT 12',
        '',
      ].join('\n'),
    },
  }),
  rspamd: (folder) => ({
    program: 'rspamd',
    args: ['-i', '-f', '-c', join(folder, 'rspamd.conf')],
    files: {
      tlds: 'com\nexample\n',
      'rspamd.conf': [
        `options { pidfile = "${folder}/pid"; control_socket = "${folder}/control mode=0600"; tempdir = "${folder}";`,
        `  url_tld = "${folder}/tlds"; dns { nameserver = ["127.0.0.1:1"]; timeout = 0.1s; } }`,
        'logging { type = "console"; level = "error"; }',
        'actions { reject = 15; add_header = 6; }',
        `worker "normal" { bind_socket = "${folder}/s mode=0600"; count = 1; }`,
        `lua = "${folder}/own.lua";`,
        '',
      ].join('\n'),
      'own.lua': [
        'local function has(word) return function(task) return tostring(task:get_content()):find(word, 1, true) ~= nil end end',
        `rspamd_config.OWN_SPAM = { callback = has('${words.spam}'), score = 20.0 }`,
        `rspamd_config.OWN_ODD = { callback = has('${words.odd}'), score = 7.0 }`,
        'rspamd_config.OWN_CLIENT = { score = 20.0, callback = function(task)',
        "  return tostring(task:get_from_ip()) == '203.0.113.66' and task:get_helo() == 'bad.example'",
        "    and task:get_from('smtp')[1].addr == 'x@bad.example' and task:get_recipients('smtp')[1].user == 'alice' end }",
        '',
      ].join('\n'),
    },
  }),
};

export class RealScanner {
  readonly socket: string;
  readonly #folder: string;
  readonly #child: ChildProcess;

  private constructor(folder: string, child: ChildProcess) {
    this.#folder = folder;
    this.socket = join(folder, 's');
    this.#child = child;
  }

  /** Waits until it answers on its socket. */
  static async start(name: keyof typeof made): Promise<RealScanner> {
    const folder = mkdtempSync(join(tmpdir(), `postern-${name}-`));
    chmodSync(folder, 0o755);
    const { program, args, files } = made[name](folder);
    mkdirSync(join(folder, 'db'));
    for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, file), text);
    const child = spawn(program, [...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin` },
    });
    let said = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (octets: Buffer) => (said += octets.toString()));
    const scanner = new RealScanner(folder, child);
    for (const late = Date.now() + 60_000; !(await answers(scanner.socket)); await sleep(100)) {
      if (child.exitCode === null && Date.now() < late) continue;
      await scanner.close();
      throw new Error(`${name} does not start: ${said}`);
    }
    return scanner;
  }

  async close(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const ended = once(this.#child, 'exit');
      this.#child.kill('SIGTERM');
      await Promise.race([ended, sleep(10_000, undefined, { ref: false })]);
      this.#child.kill('SIGKILL');
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

async function answers(path: string): Promise<boolean> {
  if (!existsSync(path)) return false;
  const socket = net.connect({ path });
  return new Promise((resolve) => {
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}
