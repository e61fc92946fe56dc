/** A private Dovecot that takes mail by LMTP: configuration, log and mailboxes in a temporary folder, on loopback. */
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Certificate } from '../../src/smtp/server.js';
import { ended } from './daemon.js';
import { filesBelow } from './files-below.js';
import { freePort } from './free-port.js';
import { greets } from './postfix.js';
import type { LocalMta } from './own-system.js';
import { recipe } from './recipes.js';

export interface DovecotOptions {
  /** Addresses that have a mailbox. */
  readonly people: readonly string[];
  /** For STARTTLS; without one it is not offered. */
  readonly certificate?: Certificate;
  /** Further lines of its configuration. */
  readonly settings?: readonly string[];
}

export interface DovecotLmtp extends LocalMta {
  /** Its socket. */
  readonly path: string;
  down(): Promise<void>;
  up(): Promise<void>;
}

/** Dovecot serves no mail of root's. */
const nobody = 65_534;
const startMs = 30_000;

export async function startDovecotLmtp(options: DovecotOptions): Promise<DovecotLmtp> {
  const folder = mkdtempSync(join(tmpdir(), 'dovecot-lmtp-'));
  const port = await freePort();
  prepare(folder, port, options);
  const config = join(folder, 'dovecot.conf');
  const log = (): string => readFileSync(join(folder, 'log'), 'latin1');
  let daemon: ChildProcess | undefined;
  const down = async (): Promise<void> => {
    if (daemon) await ended(daemon);
  };
  const up = async (): Promise<void> => {
    const started = spawn('/usr/sbin/dovecot', ['-F', '-c', config], { stdio: 'ignore' });
    daemon = started;
    for (const end = Date.now() + startMs; Date.now() < end && started.exitCode === null; await sleep(50))
      if (await greets(port)) return;
    throw new Error(`Dovecot did not start: ${log()}`);
  };
  const close = async (): Promise<void> => {
    await down();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await up();
  } catch (error) {
    await close();
    throw error;
  }
  const mail = join(folder, 'mail');
  return {
    port,
    path: join(folder, 'lmtp'),
    up,
    down,
    close,
    get log() {
      return log();
    },
    get delivered() {
      return filesBelow(mail)
        .filter((path) => /\/(?:new|cur)\/[^/]+$/.test(path))
        .map((path) => ({
          mailbox: path.slice(mail.length + 1).replace(/\/(?:Maildir\/)?(?:new|cur)\/.*$/, ''),
          text: readFileSync(path, 'latin1'),
        }));
    },
  };
}

function prepare(folder: string, port: number, { people, certificate, settings = [] }: DovecotOptions): void {
  chmodSync(folder, 0o755);
  for (const name of ['mail', 'run', 'state']) mkdirSync(join(folder, name));
  chownSync(join(folder, 'mail'), nobody, nobody);
  writeFileSync(join(folder, 'log'), '');
  chmodSync(join(folder, 'log'), 0o666);
  const users = people.map((one) => `${one}:{plain}x:${nobody}:${nobody}::${folder}/mail/${one}::\n`);
  writeFileSync(join(folder, 'users'), users.join(''));
  const own = [
    'protocols = lmtp',
    `base_dir = ${folder}/run`,
    `state_dir = ${folder}/state`,
    `log_path = ${folder}/log`,
    'mail_location = maildir:~/Maildir',
    'first_valid_uid = 1',
    'hostname = local-mta.test',
    `passdb {\n  driver = passwd-file\n  args = ${folder}/users\n}`,
    `userdb {\n  driver = passwd-file\n  args = ${folder}/users\n}`,
    `service lmtp {\n  unix_listener ${folder}/lmtp {\n    mode = 0666\n  }\n}`,
    ...tlsLines(folder, certificate),
    ...settings,
  ];
  writeFileSync(join(folder, 'dovecot.conf'), `${own.join('\n')}\n${recipe('/etc/dovecot/conf.d/20-lmtp.conf', port)}`);
}

function tlsLines(folder: string, certificate: Certificate | undefined): readonly string[] {
  if (!certificate) return ['ssl = no'];
  for (const part of ['cert', 'key'] as const) writeFileSync(join(folder, part), certificate[part]);
  return ['ssl = yes', `ssl_cert = <${folder}/cert`, `ssl_key = <${folder}/key`];
}
