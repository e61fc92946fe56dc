/** A whole MX on a port of its own, with a /srv, a quarantine and a local MTA in a temporary folder. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { wire } from '../../src/cli/wire.js';
import { closePlugins } from '../../src/hooks/close.js';
import { createLogger } from '../../src/log.js';
import { loadSettings } from '../../src/settings/settings.js';
import { LocalLimits } from '../../src/smtp/limits.js';
import { type Certificate, Listener } from '../../src/smtp/server.js';
import type { Services } from '../../src/smtp/services.js';
import { startSink } from '../../src/trial/sink.js';
import { SmtpClient } from '../../src/trial/smtp-client.js';
import { filesBelow } from './files-below.js';
import { shippedPlugins } from './shipped-plugins.js';

export interface MxOptions {
  /** Markers below /srv, as paths; `path=text` gives one content. */
  readonly markers?: readonly string[];
  /** Settings as `name=value`; they replace the usual ones of that name. */
  readonly settings?: readonly string[];
  /** Zone data that DNS questions are answered from. */
  readonly zone?: object;
  /** Lines of the plugin list; the shipped list where none are given. */
  readonly plugins?: readonly string[];
  readonly certificate?: Certificate;
  /** Several, of which the first is the usual one. */
  readonly certificates?: readonly Certificate[];
  /** A local MTA of the test's own: its port. The embedded sink where none is given. */
  readonly relayPort?: number;
  /** Where its folder is made; the system's place for temporary files where none is given. */
  readonly parent?: string;
}

export interface Archived {
  readonly path: string;
  readonly text: string;
}

export class Mx {
  readonly root: string;
  readonly port: number;
  readonly log: readonly Record<string, unknown>[];
  readonly listener: Listener;
  readonly #closeSink: () => Promise<void>;

  private constructor(made: {
    root: string;
    port: number;
    log: Record<string, unknown>[];
    listener: Listener;
    closeSink: () => Promise<void>;
  }) {
    this.root = made.root;
    this.port = made.port;
    this.log = made.log;
    this.listener = made.listener;
    this.#closeSink = made.closeSink;
  }

  /** Closes what it has opened when it fails: a sink left open would keep the test's process alive. */
  static async start(options: MxOptions = {}): Promise<Mx> {
    const root = mkdtempSync(join(options.parent ?? tmpdir(), 'postern-'));
    const opened: (() => Promise<void>)[] = [];
    try {
      return await Mx.#startIn(root, options, opened);
    } catch (error) {
      for (const close of opened.toReversed()) await close();
      rmSync(root, { recursive: true, force: true });
      throw error;
    }
  }

  static async #startIn(root: string, options: MxOptions, opened: (() => Promise<void>)[]): Promise<Mx> {
    const log: Record<string, unknown>[] = [];
    mkdirSync(join(root, 'srv'));
    for (const path of options.markers ?? []) touch(root, path);
    const sink =
      options.relayPort === undefined
        ? await startSink({ host: '127.0.0.1', port: 0, dir: join(root, 'sink'), log: () => {} })
        : undefined;
    if (sink) opened.push(() => sink.close());
    writeFileSync(join(root, 'zone.json'), JSON.stringify(options.zone ?? {}));
    writeFileSync(join(root, 'plugins'), options.plugins ? `${options.plugins.join('\n')}\n` : shippedPlugins());
    const usual = [
      'listen=127.0.0.1:0',
      `srv=${root}/srv`,
      `spam=${root}/spam`,
      `state=${root}/state`,
      `relay=127.0.0.1:${options.relayPort ?? sink?.port}`,
      `dns_zone=${root}/zone.json`,
      'hostname=mx.test.example',
      'log_level=debug',
      `plugins=${root}/plugins`,
    ];
    const own = options.settings ?? [];
    const isOwn = (setting: string): boolean => own.some((other) => other.split('=')[0] === setting.split('=')[0]);
    const given = [...usual.filter((setting) => !isOwn(setting)), ...own];
    const loaded = loadSettings({
      argv: given.map((setting) => `--${setting}`),
      env: {},
      readFile: (path) => readFileSync(path, 'utf8'),
    });
    if (!loaded.ok) throw new Error(loaded.problem.join('\n'));
    const stream = { write: (line: string) => void log.push(JSON.parse(line) as Record<string, unknown>) };
    const wired = await wire(loaded.value.settings, createLogger(loaded.value.settings, { stream, isTerminal: false }));
    if (!wired.ok) throw new Error(wired.problem.join('\n'));
    opened.push(() => closeServices(wired.value));
    const certificates = options.certificates ?? (options.certificate ? [options.certificate] : []);
    const { max_connections: all, max_connections_per_ip: perAddress } = loaded.value.settings;
    const listener = new Listener(wired.value, new LocalLimits(() => ({ all, perAddress })), certificates);
    const bound = await listener.open({ host: '127.0.0.1', port: 0 });
    return new Mx({ root, log, listener, port: Number(bound.split(':').at(-1)), closeSink: async () => sink?.close() });
  }

  async close(): Promise<void> {
    await this.listener.stop(2000);
    await closeServices(this.listener.services);
    await this.#closeSink();
    rmSync(this.root, { recursive: true, force: true });
  }

  /** Drops a marker file below /srv. */
  touch(path: string): void {
    touch(this.root, path);
  }

  remove(path: string): void {
    rmSync(join(this.root, 'srv', path), { recursive: true, force: true });
  }

  /** A connection that has heard the greeting. */
  async connect(): Promise<SmtpClient> {
    const client = new SmtpClient('127.0.0.1', this.port);
    await client.reply();
    return client;
  }

  /** Says the lines one by one on a new connection; the replies, the greeting left out. */
  async say(...lines: readonly string[]): Promise<string[]> {
    const client = await this.connect();
    const replies: string[] = [];
    for (const line of lines) replies.push(await client.say(line));
    client.end();
    return replies;
  }

  /** Sends one mail; the reply that settled it. `recipients` that are refused are passed over. */
  async send(
    mail: { from?: string; to?: string | readonly string[]; helo?: string; message?: string; xclient?: string } = {},
  ): Promise<string> {
    const client = await this.connect();
    try {
      let last = await client.say(`EHLO ${mail.helo ?? 'client.example'}`);
      if (mail.xclient !== undefined) {
        last = await client.say(`XCLIENT ${mail.xclient}`);
        if (!last.startsWith('220')) return last;
        last = await client.say(`EHLO ${mail.helo ?? 'client.example'}`);
      }
      last = await client.say(`MAIL FROM:<${mail.from ?? 'sender@sender.example'}>`);
      if (!last.startsWith('250')) return last;
      for (const to of [mail.to ?? 'alice@example.com'].flat()) last = await client.say(`RCPT TO:<${to}>`);
      const data = await client.say('DATA');
      if (!data.startsWith('354')) return last.startsWith('250') ? data : last;
      return await client.say(`${mail.message ?? message()}\r\n.`);
    } finally {
      client.end();
    }
  }

  /** What the local MTA holds, oldest first, as octets in latin1. */
  delivered(): string[] {
    return readBelow(join(this.root, 'sink', 'new')).map(({ text }) => text);
  }

  /** Empties the local MTA's mailbox and the log. */
  forget(): void {
    rmSync(join(this.root, 'sink', 'new'), { recursive: true, force: true });
    mkdirSync(join(this.root, 'sink', 'new'), { recursive: true });
    (this.log as unknown[]).length = 0;
  }

  /** What the quarantine holds. */
  archived(): Archived[] {
    return readBelow(join(this.root, 'spam')).filter(({ path }) => /\/new\//.test(path));
  }

  /** All index lines. */
  index(): Record<string, unknown>[] {
    return readBelow(join(this.root, 'spam'))
      .filter(({ path }) => path.endsWith('/index'))
      .flatMap(({ text }) => text.split('\n'))
      .filter((line) => line !== '')
      .map((line) => JSON.parse(Buffer.from(line, 'latin1').toString('utf8')) as Record<string, unknown>);
  }

  /** The summary lines of transactions. */
  fates(): Record<string, unknown>[] {
    return this.log.filter((line) => 'verdict' in line);
  }
}

/** A whole mail; fields given are put before the usual ones, `without` leaves usual ones out. */
export function message({
  fields = [],
  without = [],
  body = 'Hello.',
}: { fields?: readonly string[]; without?: readonly string[]; body?: string } = {}): string {
  const usual = [
    'From: <sender@sender.example>',
    'To: <alice@example.com>',
    'Subject: test',
    `Date: ${new Date().toUTCString().replace('GMT', '+0000')}`,
    'Message-ID: <1@sender.example>',
  ];
  const kept = usual.filter(
    (field) => !without.some((name) => field.toLowerCase().startsWith(`${name.toLowerCase()}:`)),
  );
  return [...fields, ...kept, '', body].join('\r\n');
}

function touch(root: string, marker: string): void {
  const [, path = '', text = ''] = /^([^=]*)=?(.*)$/s.exec(marker) ?? [];
  const file = join(root, 'srv', path);
  mkdirSync(path.endsWith('/') ? file : dirname(file), { recursive: true });
  if (!path.endsWith('/')) writeFileSync(file, text);
}

const readBelow = (folder: string): Archived[] =>
  filesBelow(folder).map((path) => ({ path, text: readFileSync(path, 'latin1') }));

async function closeServices(services: Services): Promise<void> {
  const { relay, quarantine, content, store, journal } = services;
  await closePlugins(services);
  journal?.close();
  await Promise.all([relay.close(), quarantine.close(), content.close(), store.close()]);
}
