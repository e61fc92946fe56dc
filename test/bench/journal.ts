/**
 * How fast the journal answers with so many lines in it (LINES, a million unless told), over 14 days and 1,000 domains:
 * `postern track` as a command, and the first page over HTTP. Fills a folder first (which stays for the next run).
 * With `write` in the place of a folder it measures what a line costs in CPU instead.
 * Run: npm run bench:journal [FOLDER | write]
 */
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { packageRoot } from '../../src/cli/package-root.js';
import { careForJournal } from '../../src/journal/care.js';
import { hourAt, journalDir } from '../../src/journal/hours.js';
import { type JournalLine, journalText } from '../../src/journal/line.js';
import { JournalWriter } from '../../src/journal/writer.js';
import { newId } from '../../src/smtp/transaction-id.js';
import { tokenLine } from '../../src/web/login/tokens.js';

const state = process.argv[2] ?? 'var/bench-journal';
const lines = Number(process.env['LINES'] ?? 1_000_000);
const days = 14;
const domains = 1_000;
const dayMs = 86_400_000;
const main = path.join(packageRoot, 'dist/src/main.js');
const print = (text: string): void => void process.stdout.write(`${text}\n`);

/** The same numbers at every run. */
function dice(seed: number): () => number {
  let last = seed;
  return () => {
    last = (Math.imul(last, 1664525) + 1013904223) >>> 0;
    return last / 4294967296;
  };
}

const words = ['invoice', 'Angebot', 'meeting', 'Re:', 'parcel', 'Rechnung', 'loan', 'crypto', 'your', 'order', 'news'];

function lineAt(time: number, roll: () => number): JournalLine {
  const pick = (count: number): number => Math.floor(roll() * count);
  const domain = `domain${pick(domains)}.example`;
  const sender = `sender${pick(20_000)}.example`;
  const fate = roll();
  const id = newId(time);
  const from = `user${pick(50)}@${sender}`;
  const facts = {
    time: new Date(time).toISOString(),
    ...({
      id,
      session: newId(time),
      node: 'mx1',
      stage: 'dot' as const,
      domain,
      from,
      header_from: `Some Body <${from}>`,
    } as const),
    to: [{ address: `user${pick(200)}@${domain}`, reply: '250 2.1.5 Recipient ok' }],
    subject: Array.from({ length: 5 }, () => words[pick(words.length)]).join(' '),
    'message-id': `<${id}@${sender}>`,
    ip: `${1 + pick(200)}.${pick(256)}.${pick(256)}.${pick(256)}`,
    host: `mail.${sender}`,
    helo: `mail.${sender}`,
    tls: '1.3 TLS_AES_256_GCM_SHA384',
    spf: 'pass',
    dkim: 'pass',
    dmarc: 'pass',
    size: pick(200_000),
    ms: pick(300),
  };
  if (fate < 0.6)
    return {
      ...facts,
      verdict: 'relayed' as const,
      relay_ms: pick(50),
      queue: id.slice(4),
      destination: '127.0.0.1:10025',
      reply: `250 2.0.0 Ok: queued as ${id.slice(4)}`,
      said: [
        ['spf', 'pass'],
        ['dkim', 'pass'],
        ['greylisting', 'pass'],
      ],
      tries: { key: id.toLowerCase(), n: 1 },
    };
  const reason = `SPF fail: ${sender} does not permit ${facts.ip} to send its mail by -all`;
  if (fate < 0.85)
    return { ...facts, verdict: 'rejected', plugin: 'spf', reason, reply: `550 5.7.23 ${reason} (${id})` };
  return {
    ...facts,
    verdict: 'deferred',
    plugin: 'greylisting',
    reply: '450 4.7.1 Greylisted, please try again in 5 min',
  };
}

/** Returns an ID in the middle, to be looked for. */
async function fill(dir: string): Promise<void> {
  const roll = dice(1);
  const end = Date.now() - 60_000;
  const step = (days * dayMs) / lines;
  let [file, text] = ['', ''];
  for (let i = 0; i < lines; i++) {
    const time = end - days * dayMs + i * step;
    const line = lineAt(time, roll);
    const hour = hourAt(dir, time).file;
    if (i === Math.floor(lines / 2)) fs.writeFileSync(`${state}.id`, line.id ?? '');
    if (hour !== file || text.length > 4_000_000) {
      append(file, text);
      [file, text] = [hour, ''];
    }
    text += journalText(line);
  }
  append(file, text);
  const began = performance.now();
  const { filters } = await careForJournal({ dir, keepMs: 20 * dayMs, maskMs: 0, now: Date.now() });
  const us = ((performance.now() - began) * 1000) / lines;
  print(`${filters} filters made, ${us.toFixed(1)} µs a line`);
}

function append(file: string, text: string): void {
  if (text === '') return;
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.appendFileSync(file, text);
}

function dropCaches(): boolean {
  try {
    fs.writeFileSync('/proc/sys/vm/drop_caches', '3');
    return true;
  } catch {
    return false;
  }
}

/** Node's own start included. */
function track(...given: readonly string[]): void {
  for (const what of ['cold', 'warm']) {
    if (what === 'cold' && !dropCaches()) continue;
    const began = performance.now();
    const { stdout } = spawnSync(process.execPath, [main, 'track', ...given, `--state=${state}`], { encoding: 'utf8' });
    const found = stdout.split('\n').filter((line) => /^[ \d]\d \w{3} |^\d\d:/.test(line)).length;
    print(
      `track ${given.join(' ').padEnd(40)} ${what} ${String(Math.round(performance.now() - began)).padStart(6)} ms, ${found} lines`,
    );
  }
}

async function pages(): Promise<void> {
  const token = 'b'.repeat(32);
  fs.writeFileSync(`${state}.tokens`, tokenLine('bench', 'admin', token));
  fs.mkdirSync(`${state}.srv`, { recursive: true });
  const places = [`--state=${state}`, `--spam=${state}.srv`, `--srv=${state}.srv`, `--web_tokens=${state}.tokens`];
  const child = spawn(process.execPath, [main, 'web', ...places, '--web=127.0.0.1:0'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    const origin = await new Promise<string>((resolve) => {
      child.stdout.on('data', (octets: Buffer) => {
        const url = /"web":"([^"]+)"/.exec(octets.toString())?.[1];
        if (url !== undefined) resolve(url.replace(/\/$/, ''));
      });
    });
    const login = { method: 'POST', body: new URLSearchParams({ token }), redirect: 'manual' } as const;
    const answer = await fetch(`${origin}/login`, login);
    const cookie = answer.headers.get('set-cookie')?.split(';')[0] ?? '';
    for (const search of [
      '',
      'verdict:rejected',
      'from:@sender77.example',
      'domain:domain3.example',
      'invoice crypto',
    ]) {
      const get = async (): Promise<number> => {
        const began = performance.now();
        await (await fetch(`${origin}/journal?q=${encodeURIComponent(search)}`, { headers: { cookie } })).text();
        return Math.round(performance.now() - began);
      };
      const cold = dropCaches() ? await get() : NaN;
      const warm = [await get(), await get(), await get()].toSorted((a, b) => a - b)[1];
      print(`page ${(search || '(everything)').padEnd(40)} cold ${cold} ms, warm ${warm} ms`);
    }
  } finally {
    child.kill('SIGTERM');
  }
}

/** CPU of this process, with a line an event as the listener has it, and a write each hundred lines. */
function writeFigures(): void {
  const dir = fs.mkdtempSync('/tmp/postern-bench-');
  const roll = dice(1);
  const made = Array.from({ length: 1000 }, () => lineAt(Date.now(), roll));
  const writer = new JournalWriter({ dir, subject: true, node: 'mx1', onLoss: (lost) => print(`${lost} lost`) });
  const count = 300_000;
  for (let round = 0; round < 3; round++) {
    const before = process.cpuUsage();
    for (let i = 0; i < count; i++) {
      writer.write({ ...(made[i % 1000] as JournalLine) });
      if (i % 100 === 99) writer.flush();
    }
    const { user, system } = process.cpuUsage(before);
    print(`a line: ${((user + system) / count).toFixed(2)} µs CPU`);
  }
  writer.close();
  fs.rmSync(dir, { recursive: true });
}

if (state === 'write') writeFigures();
else {
  const dir = journalDir(state);
  if (!fs.existsSync(dir)) await fill(dir);
  track();
  track('user7@sender77.example');
  track('from:@sender77.example', 'verdict:rejected');
  track('domain:domain3.example', 'subject:crypto');
  track(fs.readFileSync(`${state}.id`, 'utf8'));
  track('nobody@nowhere.example');
  track('nothing-has-this-word');
  await pages();
}
