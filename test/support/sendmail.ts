/**
 * A private Sendmail: configuration, queue and mails in a temporary folder, on loopback only. All it takes goes
 * through a mailer of its own into a folder. Debian's cannot be installed beside Postfix, so it may be unpacked
 * instead (.ci/run).
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from './free-port.js';
import { greets } from './postfix.js';
import { ended } from './daemon.js';

/** Where .ci/run unpacks it; '' is an installed one. */
const places = ['/usr/local/lib/postern-peers/sendmail', ''];

/** Undefined where there is none. */
export const sendmailRoot = (): string | undefined =>
  places.find((root) => existsSync(programOf(root)) && existsSync(`${root}/usr/share/sendmail/cf/m4/cf.m4`));

/** Where Debian has it. */
export const sendmailProgram = '/usr/libexec/sendmail/sendmail';

const programOf = (root: string): string => `${root}${sendmailProgram}`;

export interface SendmailOptions {
  readonly hostname: string;
  /** The body of an INPUT_MAIL_FILTER: `S=inet:8893@127.0.0.1, F=T`. */
  readonly filter: string;
  /** Who may log in, by AUTH PLAIN; nobody unless told. */
  readonly account?: Account;
}

export interface Account {
  readonly user: string;
  readonly password: string;
}

/** On a busy machine Sendmail queues what it takes, then delays and refuses connections: not here. */
export const ofAnyLoad = `define(\`confQUEUE_LA', \`10000')dnl
define(\`confDELAY_LA', \`0')dnl
define(\`confREFUSE_LA', \`10000')dnl
`;

const startMs = 30_000;

export class Sendmail {
  readonly port: number;
  readonly #folder: string;
  #daemon: ChildProcess | undefined;
  #output = '';

  private constructor(folder: string, port: number) {
    this.#folder = folder;
    this.port = port;
  }

  static async start(options: SendmailOptions): Promise<Sendmail> {
    const folder = mkdtempSync(join(tmpdir(), 'postern-sendmail-'));
    const sendmail = new Sendmail(folder, await freePort());
    try {
      const root = sendmailRoot() ?? '';
      prepare({ folder, root, port: sendmail.port, ...options });
      await sendmail.#up(root, options);
      return sendmail;
    } catch (error) {
      await sendmail.close();
      throw error;
    }
  }

  /**
   * With a host name of its own: it would wait a minute for one that has a dot. With an /usr/lib/sasl2 of its own
   * where somebody may log in: where its Sendmail.conf is cannot be told to Sendmail.
   */
  async #up(root: string, { hostname, account }: SendmailOptions): Promise<void> {
    const script = 'hostname "$0"; [ -z "$1" ] || mount --bind "$1" /usr/lib/sasl2 || exit; shift; exec "$@"';
    const sasl = account === undefined ? '' : join(this.#folder, 'sasl');
    const command = [programOf(root), '-bD', '-C', join(this.#folder, 'sendmail.cf')];
    const words = ['-u', '-m', 'sh', '-c', script, hostname, sasl, ...command];
    const daemon = spawn('unshare', words, { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    for (const stream of [daemon.stdout, daemon.stderr])
      stream.on('data', (octets: Buffer) => (this.#output += octets.toString('latin1')));
    this.#daemon = daemon;
    const end = Date.now() + startMs;
    while (!(await greets(this.port))) {
      if (Date.now() > end || daemon.exitCode !== null) throw new Error(`Sendmail did not start: ${this.#output}`);
      await sleep(50);
    }
  }

  async close(): Promise<void> {
    const daemon = this.#daemon;
    this.#daemon = undefined;
    if (daemon) await ended(daemon);
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** The mails it has delivered, in any order; octets as latin1, lines ending in LF. */
  get delivered(): string[] {
    const mails = join(this.#folder, 'mail');
    return readdirSync(mails)
      .filter((name) => !name.startsWith('.'))
      .map((name) => readFileSync(join(mails, name), 'latin1'));
  }
}

interface Preparation extends SendmailOptions {
  readonly folder: string;
  readonly root: string;
  readonly port: number;
}

function prepare(given: Preparation): void {
  const { folder, root, hostname, account } = given;
  const path = (name: string): string => join(folder, name);
  chmodSync(folder, 0o755);
  mkdirSync(path('mail'));
  chmodSync(path('mail'), 0o1777);
  mkdirSync(path('mqueue'), { mode: 0o700 });
  const keep = `#!/bin/sh\nt=$(mktemp ${folder}/mail/.XXXXXX) && cat >"$t" && chmod 644 "$t" && mv "$t" "$(dirname "$t")/$(basename "$t" | tr -d .)"\n`;
  writeFileSync(path('keep.sh'), keep, { mode: 0o755 });
  for (const name of ['local-host-names', 'helpfile']) writeFileSync(path(name), '');
  writeFileSync(path('switch'), 'hosts files\naliases files\n');
  writeFileSync(path('sendmail.mc'), macros(given));
  if (account !== undefined) prepareLogin(path('sasl'), hostname, account);
  const { status, stdout, stderr } = spawnSync('m4', [path('sendmail.mc')], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`m4: ${stderr}`);
  writeFileSync(path('sendmail.cf'), `O ServiceSwitchFile=${path('switch')}\nO ResolverOptions=\n${stdout}`);
  // Set-gid, it would not be let start from where it is.
  if (root !== '') chmodSync(programOf(root), 0o755);
}

/** Cyrus SASL's file of passwords, and what tells it to look there. */
function prepareLogin(folder: string, realm: string, { user, password }: Account): void {
  mkdirSync(folder);
  const file = join(folder, 'sasldb2');
  const words = ['-p', '-c', '-f', file, '-u', realm, user];
  const { status, stderr } = spawnSync('saslpasswd2', words, { input: password, encoding: 'utf8' });
  if (status !== 0) throw new Error(`saslpasswd2: ${stderr}`);
  writeFileSync(
    join(folder, 'Sendmail.conf'),
    `pwcheck_method: auxprop\nauxprop_plugin: sasldb\nsasldb_path: ${file}\nmech_list: PLAIN\n`,
  );
}

const login = (realm: string): string => `define(\`confAUTH_MECHANISMS', \`PLAIN')dnl
define(\`confAUTH_REALM', \`${realm}')dnl
`;

const macros = ({ folder, root, port, hostname, filter, account }: Preparation): string => `divert(-1)
define(\`_CF_DIR_', \`${root}/usr/share/sendmail/cf/')
include(\`${root}/usr/share/sendmail/cf/m4/cf.m4')
divert(0)dnl
OSTYPE(\`linux')
define(\`confPID_FILE', \`${folder}/sendmail.pid')dnl
define(\`QUEUE_DIR', \`${folder}/mqueue')dnl
define(\`STATUS_FILE', \`${folder}/statistics')dnl
define(\`HELP_FILE', \`${folder}/helpfile')dnl
define(\`confCW_FILE', \`${folder}/local-host-names')dnl
define(\`confCT_FILE', \`-o ${folder}/trusted-users')dnl
undefine(\`ALIAS_FILE')dnl
define(\`confTRUSTED_USER', \`root')dnl
define(\`confDEF_USER_ID', \`nobody:nogroup')dnl
define(\`confDOMAIN_NAME', \`${hostname}')dnl
define(\`confDONT_BLAME_SENDMAIL', \`safe,groupwritabledirpathsafe,runprograminunsafedirpath,nonrootsafeaddr')dnl
define(\`confDONT_PROBE_INTERFACES', \`True')dnl
define(\`confTO_IDENT', \`0')dnl
${ofAnyLoad}define(\`confDELIVERY_MODE', \`interactive')dnl
define(\`confLOG_LEVEL', \`0')dnl
define(\`confMILTER_LOG_LEVEL', \`0')dnl
${account === undefined ? '' : login(hostname)}FEATURE(\`accept_unresolvable_domains')dnl
FEATURE(\`nocanonify')dnl
FEATURE(\`promiscuous_relay')dnl
FEATURE(\`no_default_msa')dnl
DAEMON_OPTIONS(\`Name=MTA, Family=inet, Addr=127.0.0.1, Port=${port}')dnl
INPUT_MAIL_FILTER(\`postern', \`${filter}')dnl
MAILER(\`local')dnl
MAILER(\`smtp')dnl
LOCAL_RULE_0
R$* < @ $* . > $*	$#keep $@ $2 $: $1 @ $2
R$* < @ $* > $*	$#keep $@ $2 $: $1 @ $2
R$*	$#keep $@ none $: $1
MAILER_DEFINITIONS
Mkeep, P=${folder}/keep.sh, F=DFMPhnu9, S=0, R=0, T=DNS/RFC822/X-Unix, A=keep.sh $u
`;
