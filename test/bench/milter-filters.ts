/**
 * The filters under load: postern, spf-milter (Rust, built by cargo into var/bench) and pyspf-milter (Debian), with
 * one DNS.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { freePort } from '../support/free-port.js';
import { inTime } from '../support/until.js';
import { LoadSession, type Where } from './milter-load.js';

export type Transport = 'UNIX socket' | 'TCP';

export interface Filter {
  readonly name: string;
  readonly where: Where;
  /** Resident memory in KB. */
  memory(): number;
  /** Seconds of CPU time that it and its workers have used. */
  cpuSeconds(): number;
  close(): Promise<void>;
}

/** Why there is none. */
export type Missing = string;

export interface Setting {
  readonly folder: string;
  /** Processes of postern; the others have threads. */
  readonly workers: number;
  readonly transport: Transport;
  /** `ip:port` for postern; the others ask port 53 of `ip`. */
  readonly dns: { readonly host: string; readonly port: number };
}

export type Start = (setting: Setting) => Promise<Filter | Missing>;

const posternProgram = fileURLToPath(new URL('../../src/main.js', import.meta.url));

interface Place {
  readonly where: Where;
  /** As `socket` has it; `libmilter` as libmilter has it. */
  readonly spelt: string;
  readonly libmilter: string;
}

async function place({ folder, transport }: Setting, name: string): Promise<Place> {
  const path = join(folder, `${name}.socket`);
  if (transport === 'UNIX socket') return { where: { path }, spelt: `unix:${path}`, libmilter: `local:${path}` };
  const port = await freePort();
  const where = { host: '127.0.0.1', port };
  return { where, spelt: `inet:127.0.0.1:${port}`, libmilter: `inet:${port}@127.0.0.1` };
}

/** In a mount namespace of its own, whose /etc/resolv.conf names our server. */
function withDns(folder: string, host: string, words: readonly string[]): ChildProcess {
  const file = join(folder, 'resolv.conf');
  writeFileSync(file, `nameserver ${host}\n`);
  const script = 'mount --bind "$0" /etc/resolv.conf && exec "$@"';
  return spawn('unshare', ['-m', 'sh', '-c', script, file, ...words], { stdio: ['ignore', 'ignore', 'ignore'] });
}

async function answers(where: Where): Promise<void> {
  for (;;) {
    const session = await LoadSession.open(where).catch(() => undefined);
    if (session) return session.end();
    await sleep(100);
  }
}

async function started(name: string, where: Where, child: ChildProcess): Promise<Filter> {
  const exited = new Promise((settle) => child.once('exit', settle));
  await inTime(answers(where), `${name} answers`);
  return {
    name,
    where,
    cpuSeconds: () => cpuOf(child.pid ?? -1),
    memory: () => Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1]),
    close: async () => {
      child.kill('SIGTERM');
      const late = setTimeout(() => child.kill('SIGKILL'), 3000);
      await exited;
      clearTimeout(late);
    },
  };
}

/** proc(5): user and system time are behind the name in brackets, in ticks of 10 ms. */
function cpuOf(pid: number): number {
  const [, rest = ''] = /\) (.*)$/s.exec(readFileSync(`/proc/${pid}/stat`, 'latin1')) ?? [];
  const [user, system] = rest.split(' ').slice(11, 13).map(Number);
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').split(' ').filter(Boolean);
  return ((user ?? NaN) + (system ?? NaN)) / 100 + children.reduce((sum, child) => sum + cpuOf(Number(child)), 0);
}

export const startPostern: Start = async (setting) => {
  const { where, spelt } = await place(setting, 'postern');
  const file = join(setting.folder, 'postern.conf');
  const { host, port } = setting.dns;
  writeFileSync(
    file,
    `socket = ${spelt}\nlog_destination = stderr\nstop_timeout = 1s\ndns_servers = ${host}:${port}\nworkers = ${setting.workers}\n`,
  );
  const child = spawn(process.execPath, [posternProgram, 'milter', '-c', file], { stdio: 'ignore' });
  return started('postern', where, child);
};

const crate = 'spf-milter';
const crateVersion = '0.6.0';
const crateFolder = resolve('var/bench', `${crate}-${crateVersion}`);

export const startSpfMilter: Start = async (setting) => {
  const program = spfMilter();
  if (program === undefined) return 'not built: there is no cargo, or it failed';
  const { where, spelt } = await place(setting, crate);
  const file = join(setting.folder, `${crate}.conf`);
  writeFileSync(file, `socket = ${spelt}\nlog_destination = stderr\n`);
  return started(crate, where, withDns(setting.folder, setting.dns.host, [program, '-c', file]));
};

function spfMilter(): string | undefined {
  const program = join(crateFolder, 'bin', crate);
  if (existsSync(program)) return program;
  console.error(`building ${crate} ${crateVersion} into ${crateFolder}`);
  mkdirSync(crateFolder, { recursive: true });
  spawnSync('cargo', ['install', crate, '--version', crateVersion, '--root', crateFolder], { stdio: 'inherit' });
  return existsSync(program) ? program : undefined;
}

export const startPyspfMilter: Start = async (setting) => {
  if (!existsSync('/usr/bin/pyspf-milter')) return 'not installed (Debian: pyspf-milter)';
  const { where, libmilter } = await place(setting, 'pyspf-milter');
  const file = join(setting.folder, 'pyspf-milter.conf');
  const pidFile = join(setting.folder, `pyspf-milter-${Date.now()}.pid`); // left behind, and in the way of the next one
  const lines = [
    'debugLevel = 0',
    'HELO_reject = Fail',
    'Mail_From_reject = Fail',
    'skip_addresses = 127.0.0.0/8',
    `Socket = ${libmilter}`,
    `PidFile = ${pidFile}`,
    'UserID = root',
    'InternalHosts = 127.0.0.1',
  ];
  writeFileSync(file, `${lines.join('\n')}\n`);
  const words = ['/usr/bin/pyspf-milter', file];
  return started('pyspf-milter', where, withDns(setting.folder, setting.dns.host, words));
};
