/** A quarantine page on a port of its own, with a /srv, a /spam and a local MTA, and a client that keeps its cookie. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { createLogger } from '../../src/log.js';
import { loadSettings } from '../../src/settings/settings.js';
import { openPage } from '../../src/cli/web.js';
import { ydayOf } from '../../src/quarantine/disk/day.js';
import { zoneResolver } from '../../src/dns/zone.js';
import { parseIp } from '../../src/mail/ip.js';
import { checkHost } from '../../src/spf/check-host.js';
import { writeReceivedSpf } from '../../src/spf/fields/received-spf.js';
import { spfTraceName, writeSpfTrace } from '../../src/spf/fields/trace-field.js';
import { startSink } from '../../src/trial/sink.js';
import { tokenLine } from '../../src/web/login/tokens.js';
import { about, quarantineIn, request } from '../quarantine/support.js';

export const admin = 'a'.repeat(32);
export const ofExampleCom = 'c'.repeat(32);

export interface Site {
  readonly root: string;
  readonly spam: string;
  readonly srv: string;
  readonly port: number;
  readonly origin: string;
  readonly log: readonly string[];
  /** The local MTA. */
  readonly relay: string;
  /** What the local MTA got. */
  delivered(): readonly string[];
}

export async function openSite(t: Pick<TestContext, 'after'>, more: readonly string[] = []): Promise<Site> {
  const root = fs.mkdtempSync(path.join(os.tmpdir(), 'postern-web-'));
  const [spam, srv, dir] = ['spam', 'srv', 'sink'].map((name) => path.join(root, name)) as [string, string, string];
  for (const domain of ['example.com', 'example.net']) fs.mkdirSync(path.join(srv, domain), { recursive: true });
  fs.mkdirSync(spam);
  fs.mkdirSync(path.join(root, 'state'));
  fs.writeFileSync(
    path.join(root, 'tokens'),
    tokenLine('anna', 'admin', admin) + tokenLine('bob', 'example.com', ofExampleCom),
  );
  const sink = await startSink({ host: '127.0.0.1', port: 0, dir, log: () => {} });
  const given = [
    `spam=${spam}`,
    `srv=${srv}`,
    `relay=127.0.0.1:${sink.port}`,
    'hostname=mx.test.example',
    'web=127.0.0.1:0',
    `web_tokens=${root}/tokens`,
    ...(more.some((one) => one.startsWith('state=')) ? [] : [`state=${root}/state`]),
    ...more,
  ];
  const loaded = loadSettings({
    argv: given.map((one) => `--${one}`),
    env: {},
    readFile: (file) => fs.readFileSync(file, 'utf8'),
  });
  assert.ok(loaded.ok, JSON.stringify(loaded));
  const log: string[] = [];
  const stream = { write: (line: string) => void log.push(line) };
  const opened = await openPage(
    loaded.value.settings,
    createLogger(loaded.value.settings, { stream, isTerminal: false }),
  );
  if (!opened.ok) throw new Error(opened.problem);
  const { port, close } = opened.value;
  t.after(async () => {
    await close();
    await sink.close();
    fs.rmSync(root, { recursive: true, force: true });
  });
  return {
    root,
    spam,
    srv,
    port,
    origin: `http://127.0.0.1:${port}`,
    log,
    relay: `127.0.0.1:${sink.port}`,
    delivered: () =>
      fs.existsSync(path.join(dir, 'new'))
        ? fs.readdirSync(path.join(dir, 'new')).map((name) => fs.readFileSync(path.join(dir, 'new', name), 'latin1'))
        : [],
  };
}

export interface KeepOptions {
  readonly text?: string;
  readonly subject?: string;
  readonly from?: string;
  readonly domain?: string;
  readonly reason?: string;
  readonly plugin?: string;
  readonly reply?: string;
  /** As the list shows it; the reverse-path where none is given. */
  readonly headerFrom?: string;
  readonly helo?: string;
  readonly host?: string;
  readonly ip?: string;
  readonly spf?: string;
  /** SPF is asked, of this DNS. */
  readonly zone?: unknown;
  readonly time?: Date;
  readonly recipient?: string;
}

let count = 0;

/** Puts a mail into the quarantine; its name in the page's addresses. */
export async function keep(site: Pick<Site, 'spam'>, options: KeepOptions = {}): Promise<string> {
  const { domain = 'example.com', text, time = new Date(), recipient = `foo@${domain}`, zone, ...known } = options;
  const judged = zone === undefined ? undefined : await spfFields({ ...about, ...known }, zone);
  const headerFrom = known.headerFrom ?? known.from ?? about.from;
  const facts = { ...about, ...known, headerFrom, ...(judged && { spf: judged.result }) };
  const spf =
    facts.spf === undefined
      ? ''
      : `Received-SPF: ${facts.spf} (${facts.reason}) client-ip=${facts.ip}; envelope-from="${facts.from}"; helo=${facts.helo};\r\n`;
  const head = Buffer.from(
    `${judged?.fields ?? spf}X-HELO: ${facts.helo}\r\nX-REMOTE-IP: ${facts.ip}\r\nX-MAIL-FROM: ${facts.from}\r\nX-REJECT-REASON: ${facts.reason}\r\nX-REJECT-PLUGIN: ${facts.plugin}\r\n`,
  );
  const archived = await quarantineIn(site.spam).archive(
    request({
      id: `W${++count}`,
      domain,
      time,
      text: text ?? `Subject: ${facts.subject}\r\n\r\nThe body.\r\n`,
      copies: [{ recipient, head }],
      about: facts,
    }),
  );
  assert.ok(archived.kind === 'archived');
  return `${ydayOf(time)}/${domain}/${archived.filenames[0]}`;
}

/** As the plugin writes them. */
async function spfFields(
  { ip: text, helo, from }: Pick<typeof about, 'ip' | 'helo' | 'from'>,
  zone: unknown,
): Promise<{ readonly result: string; readonly fields: string }> {
  const ip = parseIp(text);
  assert.ok(ip);
  const outcome = await checkHost({ ip, helo, from }, { resolver: zoneResolver(zone), trace: true });
  const received = writeReceivedSpf(outcome, { clientIp: ip, helo, receiver: 'mx.test.example' }, { folded: true });
  return {
    result: outcome.result,
    fields: `Received-SPF: ${received}\r\n${spfTraceName}: ${writeSpfTrace(outcome)}\r\n`,
  };
}

export interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
}

/** A browser without a page: keeps one cookie, sends what it is told. */
export class Client {
  readonly #port: number;
  cookie = '';

  constructor({ port }: Pick<Site, 'port'>) {
    this.#port = port;
  }

  get(target: string, headers: Record<string, string> = {}): Promise<Answer> {
    return this.#send('GET', target, headers);
  }

  post(
    target: string,
    form: Record<string, string | readonly string[]>,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const body = new URLSearchParams(
      Object.entries(form).flatMap(([name, value]) => [value].flat().map((one): [string, string] => [name, one])),
    );
    return this.#send(
      'POST',
      target,
      { 'Content-Type': 'application/x-www-form-urlencoded', ...headers },
      body.toString(),
    );
  }

  async login(token = admin): Promise<this> {
    const answer = await this.post('/login', { token });
    assert.equal(answer.status, 303, answer.body);
    return this;
  }

  /** All that a search finds: a busy machine answers it in several pages. */
  async search(target: string): Promise<string> {
    const { body } = await this.get(target);
    const next = /href="([^"]+)"\s+id="next"\s+data-goes-on/.exec(body)?.[1];
    return next === undefined ? body : body + (await this.search(next.replaceAll('&amp;', '&')));
  }

  /** The CSRF token of this session. */
  async csrf(): Promise<string> {
    const { body } = await this.get('/');
    return /name="csrf" value="([^"]+)"/.exec(body)?.[1] ?? assert.fail('no form on the page');
  }

  #send(method: string, target: string, headers: Record<string, string>, body?: string): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const host = `127.0.0.1:${this.#port}`;
      const sent = http.request(
        {
          host: '127.0.0.1',
          port: this.#port,
          method,
          path: target,
          headers: { Host: host, ...(this.cookie !== '' && { Cookie: this.cookie }), ...headers },
        },
        (answer) => {
          const parts: Buffer[] = [];
          answer.on('data', (part: Buffer) => parts.push(part));
          answer.on('end', () => {
            const [set] = answer.headers['set-cookie'] ?? [];
            if (set !== undefined) this.cookie = set.split(';')[0] ?? '';
            resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: Buffer.concat(parts).toString() });
          });
        },
      );
      sent.on('error', reject);
      sent.end(body);
    });
  }
}
