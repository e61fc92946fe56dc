/**
 * A private Postfix as local MTA: configuration, queue, log and mailboxes in a temporary folder, on loopback only. Its
 * `master` is started directly, so no system instance is touched. What it takes for the domains it is given lands in
 * maildirs; everything else would go to the transport `discard`, whose log lines show it.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from './free-port.js';

export interface PostfixOptions {
  readonly domains: readonly string[];
  /** `local-part@domain`; others are refused at RCPT. All are taken where none are given. */
  readonly recipients?: readonly string[];
  /** Further lines of main.cf. */
  readonly settings?: readonly string[];
  /** Its queue directory, to be made; in its own folder where none is named. */
  readonly queue?: string;
  /** Its smtpd runs in the queue directory, as Debian's does; default false. */
  readonly chroot?: boolean;
}

export interface Delivered {
  /** The mailbox, `domain/local-part`. */
  readonly mailbox: string;
  /** Octets as latin1, lines ending in LF. */
  readonly text: string;
}

const startMs = 20_000;

export class Postfix {
  readonly port: number;
  readonly #folder: string;
  #master: ChildProcess | undefined;

  private constructor(folder: string, port: number) {
    this.#folder = folder;
    this.port = port;
  }

  static async start(options: PostfixOptions): Promise<Postfix> {
    const folder = mkdtempSync(join(tmpdir(), 'postern-postfix-'));
    const postfix = new Postfix(folder, await freePort());
    try {
      prepare(folder, postfix.port, options);
      await postfix.up();
      return postfix;
    } catch (error) {
      await postfix.close();
      throw error;
    }
  }

  /** The process number of its first process, whose children all others are. */
  get pid(): number {
    return this.#master?.pid ?? -1;
  }

  /** Starts it, again after `down`. */
  async up(): Promise<void> {
    for (let attempt = 1; attempt <= 3; attempt++) {
      if (await this.#starts()) return;
      await this.down();
    }
    throw new Error(`Postfix did not start: ${this.log}`);
  }

  /**
   * Does it greet, and write its log? Now and then its master does not start the daemon that writes it, and whoever
   * has something to log waits for that.
   */
  async #starts(): Promise<boolean> {
    const env = { ...process.env, LD_LIBRARY_PATH: '/usr/lib/postfix', LANG: 'C' };
    // In a process group of its own: TERM to master is passed on to all of its group.
    const options = { stdio: 'ignore', env, detached: true } as const;
    const master = spawn('/usr/lib/postfix/sbin/master', ['-c', join(this.#folder, 'conf')], options);
    this.#master = master;
    for (const end = Date.now() + startMs; Date.now() < end && master.exitCode === null; await sleep(50)) {
      if ((await greets(this.port)) && this.log !== '') return true;
    }
    return false;
  }

  /** Stops it; queue and mailboxes stay. */
  async down(): Promise<void> {
    const master = this.#master;
    this.#master = undefined;
    if (!master || master.exitCode !== null || master.signalCode !== null) return;
    const gone = new Promise((resolve) => master.once('close', resolve));
    master.kill('SIGTERM');
    const late = setTimeout(() => master.kill('SIGKILL'), 10_000);
    await gone;
    clearTimeout(late);
  }

  async close(): Promise<void> {
    await this.down();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  get log(): string {
    try {
      return readFileSync(join(this.#folder, 'log', 'maillog'), 'latin1');
    } catch {
      return '';
    }
  }

  /** What is in the mailboxes, oldest first. */
  get delivered(): Delivered[] {
    const root = join(this.#folder, 'mail');
    return readdirSync(root, { recursive: true, encoding: 'utf8' })
      .filter((name) => /\/new\/[^/]+$/.test(name))
      .toSorted((a, b) => (a.replace(/^.*\//, '') < b.replace(/^.*\//, '') ? -1 : 1))
      .map((name) => ({ mailbox: name.replace(/\/new\/.*$/, ''), text: readFileSync(join(root, name), 'latin1') }));
  }

  /** Waits until a delivered mail, or the log, shows what is asked for; rejects with the log. */
  async until(done: () => boolean, ms = 15_000): Promise<void> {
    const end = Date.now() + ms;
    while (!done()) {
      if (Date.now() > end) throw new Error(`Postfix: ${this.log.slice(-3000)}`);
      await sleep(30);
    }
  }
}

/** The message as a maildir holds it without the three fields that Postfix puts on top, and without its Received:. */
export function belowPostfix(text: string): string {
  const fields =
    /^Return-Path: .*\n(?:X-Original-To: .*\n)?(?:Delivered-To: .*\n)?Received: .*\n(?:[ \t].*\n)*/.exec(text)?.[0] ??
    '';
  return text.slice(fields.length);
}

function prepare(folder: string, port: number, options: PostfixOptions): void {
  const { domains, recipients, settings = [], chroot = false } = options;
  const path = (...names: string[]): string => join(folder, ...names);
  if (options.queue !== undefined) {
    mkdirSync(options.queue, { recursive: true });
    symlinkSync(options.queue, path('queue'));
  }
  const queues = [
    'active',
    'bounce',
    'corrupt',
    'defer',
    'deferred',
    'flush',
    'hold',
    'incoming',
    'private',
    'saved',
    'trace',
  ];
  for (const name of [
    'conf',
    'data',
    'log',
    'mail',
    'queue/maildrop',
    'queue/public',
    'queue/pid',
    ...queues.map((queue) => `queue/${queue}`),
  ]) {
    mkdirSync(path(name), { recursive: true });
  }
  chmodSync(folder, 0o755);
  run('chown', ['postfix', path('data'), path('mail'), ...queues.map((queue) => path('queue', queue))]);
  run('chown', ['postfix:postdrop', path('queue/maildrop'), path('queue/public')]);
  const map = recipients === undefined ? 'static:all/' : `texthash:${path('conf/mailboxes')}`;
  const mailboxes = (recipients ?? []).map(
    (recipient) => `${recipient} ${recipient.split('@').reverse().join('/')}/\n`,
  );
  writeFileSync(path('conf/mailboxes'), mailboxes.join(''));
  writeFileSync(path('conf/main.cf'), mainCf({ path, domains, map }).concat(settings, '').join('\n'));
  writeFileSync(path('conf/master.cf'), masterCf(port, chroot));
}

const idOf = (flag: string): string => run('id', [flag, 'postfix']).trim();

function mainCf({
  path,
  domains,
  map,
}: {
  path: (...names: string[]) => string;
  domains: readonly string[];
  map: string;
}): string[] {
  return [
    'compatibility_level = 3.6',
    `queue_directory = ${path('queue')}`,
    `data_directory = ${path('data')}`,
    'daemon_directory = /usr/lib/postfix/sbin',
    'command_directory = /usr/sbin',
    'shlib_directory = /usr/lib/postfix',
    `meta_directory = ${path('conf')}`,
    'import_environment = MAIL_CONFIG MAIL_DEBUG MAIL_LOGTAG TZ LANG=C LD_LIBRARY_PATH=/usr/lib/postfix',
    `maillog_file = ${path('log/maillog')}`,
    `maillog_file_prefixes = ${path()}`,
    'inet_interfaces = 127.0.0.1',
    'inet_protocols = ipv4',
    'myhostname = local-mta.test',
    'mydestination =',
    'local_transport = error:5.1.1 no local delivery',
    'local_recipient_maps =',
    'alias_maps =',
    'alias_database =',
    // As Debian leaves it, and as trusting as it can be: sender-specified routing is on for 127.0.0.1.
    'mynetworks = 127.0.0.0/8',
    'allow_percent_hack = yes',
    'swap_bangpath = yes',
    'smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination',
    'smtpd_peername_lookup = no',
    'smtpd_authorized_xclient_hosts = 127.0.0.1',
    'smtpd_authorized_xforward_hosts = 127.0.0.1',
    `virtual_mailbox_domains = ${domains.join(' ')}`,
    `virtual_mailbox_base = ${path('mail')}`,
    `virtual_mailbox_maps = ${map}`,
    'virtual_minimum_uid = 1',
    `virtual_uid_maps = static:${idOf('-u')}`,
    `virtual_gid_maps = static:${idOf('-g')}`,
    'default_transport = discard:',
    'notify_classes =',
    'smtputf8_enable = yes',
  ];
}

const masterCf = (port: number, chroot: boolean): string => `
127.0.0.1:${port} inet n - ${chroot ? 'y' : 'n'} - - smtpd
postlog   unix-dgram n - n - 1 postlogd
cleanup   unix  n - n - 0 cleanup
qmgr      unix  n - n 300 1 qmgr
rewrite   unix  - - n - - trivial-rewrite
bounce    unix  - - n - 0 bounce
defer     unix  - - n - 0 bounce
trace     unix  - - n - 0 bounce
verify    unix  - - n - 1 verify
proxymap  unix  - - n - - proxymap
tlsmgr    unix  - - n 1000? 1 tlsmgr
anvil     unix  - - n - 1 anvil
error     unix  - - n - - error
retry     unix  - - n - - error
discard   unix  - - n - - discard
virtual   unix  - n n - - virtual
showq     unix  n - n - - showq
`;

function run(program: string, words: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(program, words, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${program} ${words.join(' ')}: ${stderr}`);
  return stdout;
}

/** Does an SMTP server answer there? */
export function greets(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ host: '127.0.0.1', port });
    const settle = (heard: boolean): void => {
      socket.destroy();
      resolve(heard);
    };
    socket.setTimeout(2000, () => settle(false));
    socket.once('data', (octets) => settle(octets.toString().startsWith('220')));
    socket.once('error', () => settle(false));
    socket.once('close', () => settle(false));
  });
}
