/** Several `postern serve` that share a catalog, a tree of domains and a local MTA: each with its own disk. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { startSink } from '../../src/trial/sink.js';
import { SmtpClient } from '../../src/trial/smtp-client.js';
import { childrenOf, PosternProcess } from '../support/child.js';
import { posternProcess, type Ran } from '../cli/support/postern-command.js';
import { Client } from '../web/support.js';

export interface FleetOptions {
  readonly hosts: number;
  readonly settings: readonly string[];
  /** What each host has besides; the first is 1. */
  readonly own?: (host: number) => readonly string[];
}

export class Fleet {
  readonly folder = fs.mkdtempSync(path.join(os.tmpdir(), 'postern-fleet-'));
  readonly hosts: FleetHost[] = [];
  #sink: Awaited<ReturnType<typeof startSink>> | undefined;
  relayPort = 0;

  static async start(t: Pick<TestContext, 'after'>, { hosts, settings, own = () => [] }: FleetOptions): Promise<Fleet> {
    const fleet = new Fleet();
    t.after(() => fleet.close());
    fs.chmodSync(fleet.folder, 0o755);
    fleet.#sink = await startSink({ host: '127.0.0.1', port: 0, dir: path.join(fleet.folder, 'sink'), log: () => {} });
    fleet.relayPort = fleet.#sink.port;
    for (const user of ['alice', 'postmaster'])
      for (const domain of ['example.com', 'example.net']) {
        fs.mkdirSync(path.join(fleet.folder, 'srv', domain, 'users/valid'), { recursive: true });
        fs.writeFileSync(path.join(fleet.folder, 'srv', domain, 'users/valid', user), '');
      }
    for (let i = 1; i <= hosts; i++) {
      const host = new FleetHost(fleet, `mx${i}.test.example`, [...settings, ...own(i)]);
      fleet.hosts.push(host);
    }
    await Promise.all(fleet.hosts.map((host) => host.start()));
    return fleet;
  }

  /** What the local MTA got. */
  get delivered(): readonly string[] {
    const dir = path.join(this.folder, 'sink/new');
    return fs.existsSync(dir) ? fs.readdirSync(dir).map((name) => fs.readFileSync(path.join(dir, name), 'latin1')) : [];
  }

  async close(): Promise<void> {
    await Promise.all(this.hosts.map((host) => host.kill()));
    await this.#sink?.close();
    fs.rmSync(this.folder, { recursive: true, force: true });
  }
}

export class FleetHost {
  readonly name: string;
  readonly root: string;
  readonly #fleet: Fleet;
  readonly #settings: readonly string[];
  #process: PosternProcess | undefined;

  constructor(fleet: Fleet, name: string, settings: readonly string[]) {
    this.#fleet = fleet;
    this.name = name;
    this.root = path.join(fleet.folder, name);
    fs.mkdirSync(this.root);
    fs.writeFileSync(path.join(this.root, 'zone.json'), '{}');
    const usual = [
      `srv=${fleet.folder}/srv`,
      `spam=${this.root}/spam`,
      `state=${this.root}/state`,
      `web_tokens=${this.root}/tokens`,
      `hostname=${name}`,
      'max_connections_per_ip=1000',
      'web=127.0.0.1:0',
    ];
    const isOwn = (setting: string): boolean => settings.some((own) => own.split('=')[0] === setting.split('=')[0]);
    this.#settings = [...usual.filter((setting) => !isOwn(setting)), ...settings];
  }

  get process(): PosternProcess {
    return this.#process ?? assert.fail(`${this.name} does not run`);
  }

  async start(): Promise<void> {
    this.#process = await PosternProcess.start({
      root: this.root,
      relayPort: this.#fleet.relayPort,
      settings: this.#settings,
    });
    await this.#process.until(() => this.pageUrl !== undefined);
  }

  /** All its processes, at once. */
  async kill(): Promise<void> {
    await this.#process?.kill();
  }

  /** KILL to the process that ships; `serve` starts another one. */
  killShipping(): void {
    for (const pid of childrenOf(this.process.pid)) {
      const words = readWords(pid);
      if (words.includes('ship')) process.kill(pid, 'SIGKILL');
    }
  }

  get pageUrl(): URL | undefined {
    const line = this.process.log.find(({ msg }) => msg === 'quarantine page');
    return line === undefined ? undefined : new URL(String(line['web']));
  }

  client(): Client {
    return new Client({ port: Number(this.pageUrl?.port) });
  }

  /** Runs a command on this host, beside the processes that serve. */
  postern(...words: readonly string[]): Promise<Ran> {
    return posternProcess([...words, ...this.#ofCommands.map((setting) => `--${setting}`)]);
  }

  /** Writes what commands on this host need into a file for `-c`, and says which file that is. */
  writeConfig(): string {
    const file = path.join(this.root, 'postern.conf');
    const lines = [...this.#ofCommands, `plugins=${this.root}/shipped-plugins`, `dns_zone=${this.root}/zone.json`];
    fs.writeFileSync(file, lines.map((line) => `${line.replace('=', ' = ')}\n`).join(''), { mode: 0o600 });
    return file;
  }

  get #ofCommands(): readonly string[] {
    return [...this.#settings, `relay=127.0.0.1:${this.#fleet.relayPort}`];
  }

  /** Mail to nobody there: the ID of the 550, or undefined where the host does not say one. */
  async refuse(subject: string, { domain = 'example.com', text = 'Text.' } = {}): Promise<string | undefined> {
    const client = new SmtpClient('127.0.0.1', this.process.port);
    try {
      await client.reply();
      await client.say('EHLO client.example');
      await client.say('MAIL FROM:<sender@sender.example>');
      await client.say(`RCPT TO:<nobody@${domain}>`);
      await client.say('DATA');
      const reply = await client.say(`From: sender@sender.example\r\nSubject: ${subject}\r\n\r\n${text}\r\n.`);
      return /^550 .*\((\w{14})\)$/.exec(reply)?.[1];
    } catch {
      return undefined;
    } finally {
      client.end();
    }
  }
}

/** The words of a process; none where it is over. */
function readWords(pid: number): readonly string[] {
  try {
    return fs.readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0');
  } catch {
    return [];
  }
}
