/** postern track, tail, journal stats and journal erase, as commands. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { packageRoot } from '../../src/cli/package-root.js';
import type { JournalLine } from '../../src/journal/line.js';
import { newId } from '../../src/smtp/transaction-id.js';
import { deferred, relayed, writerIn } from '../journal/support.js';
import { inherited } from '../support/environment.js';
import { needPeer } from '../support/peers.js';
import { until } from '../support/until.js';

const main = join(packageRoot, 'dist/src/main.js');
const started = Date.now() - 3_600_000;
let state: string;
const ids: Record<string, string> = {};

before(() => {
  state = mkdtempSync(join(tmpdir(), 'postern-track-'));
  let now = started;
  const writer = writerIn(join(state, 'journal'), { now: () => now });
  const write = (name: string, line: JournalLine, laterMs: number): void => {
    ids[name] = newId(now);
    writer.write({ ...line, id: ids[name], time: new Date(now).toISOString() });
    writer.flush();
    now += laterMs;
  };
  const spf = {
    plugin: 'spf',
    reason: 'sender.example does not permit 198.51.100.7',
    filename: '17.x',
    ip: '198.51.100.7',
  };
  write('rejected', { ...relayed, ...spf, verdict: 'rejected', subject: 'Re: Angebot' }, 60_000);
  write('first', deferred, 313_000);
  write('second', relayed, 60_000);
  write('hostile', { ...relayed, from: '', subject: '\u001b[31m\u202egpj.exe', header_from: '=cmd()' }, 60_000);
  writer.close();
});
after(() => rmSync(state, { recursive: true }));

function run(...words: readonly string[]): {
  readonly out: string;
  readonly err: string;
  readonly code: number | null;
} {
  const child = spawnSync(process.execPath, [main, ...words, `--state=${state}`], {
    encoding: 'utf8',
    env: { ...inherited(), TZ: 'UTC' },
  });
  return { out: child.stdout, err: child.stderr, code: child.status };
}

test('a list: newest first, what became of each, why or where it went, and a sum', () => {
  const { out, code } = run('track', 'anna@sender.example', '-subject:exe');
  assert.equal(code, 0);
  const [second, detail, , , rejected, why, hint, sum, ...more] = out.split('\n');
  assert.match(
    second ?? '',
    /^[ \d]\d \w{3} \d\d:\d\d:\d\d {2}relayed {5}anna@sender\.example → alice@example\.com +Angebot +\w{14}$/,
  );
  assert.equal(detail, `${' '.repeat(17)}2nd try, 5 min 13 s after the first; queued as 4WxY at 127.0.0.1:10025`);
  assert.match(rejected ?? '', / rejected .*Re: Angebot/);
  assert.equal(why?.trim(), 'spf: sender.example does not permit 198.51.100.7');
  assert.equal(hint?.trim(), `postern quarantine show ${ids['rejected']}`);
  assert.match(sum ?? '', /^3 mails in .*, 1 relayed, 1 deferred, 1 rejected \(\d+\.\d s\)\.$/);
  assert.deepEqual(more, ['']);
  for (const line of out.split('\n')) assert.ok([...line].length <= 100, line);
});

test('a pipe gets values whole, a terminal rows as wide as it is', async (t) => {
  const root = mkdtempSync(join(tmpdir(), 'postern-track-'));
  t.after(() => rmSync(root, { recursive: true }));
  const writer = writerIn(join(root, 'journal'));
  const to = `${'whoever.'.repeat(6)}x@${'long.'.repeat(6)}example.com`;
  const [subject, reason] = ['many words '.repeat(10).trim(), 'because '.repeat(30).trim()];
  const long = { verdict: 'rejected', to: [{ address: to, reply: '' }], subject, plugin: 'spf', reason } as const;
  writer.write({ ...relayed, ...long, time: new Date().toISOString() });
  writer.close();
  const words = ['track', '--limit=5', `--state=${root}`];
  const env = { ...inherited(), TERM: 'xterm', NO_COLOR: '1' };
  const piped = spawnSync(process.execPath, [main, ...words], { encoding: 'utf8', env }).stdout;
  for (const text of [`anna@sender.example → ${to} ${subject} ${relayed.id}`, reason])
    assert.ok(piped.includes(text), piped);
  if (!needPeer(t, 'script')) return;
  for (const columns of [80, 140]) {
    const command = `stty cols ${columns} rows 40; ${[process.execPath, main, ...words].join(' ')} 2>/dev/null`;
    const { stdout } = spawnSync('script', ['-qec', command, '/dev/null'], { encoding: 'utf8', env });
    const rows = stdout.split('\r\n');
    assert.equal(Math.max(...rows.map((row) => [...row].length)), columns, stdout);
  }
});

test('journal stats: all mail in numbers, of all domains or of some, and nothing is written', () => {
  const files = readdirSync(join(state, 'journal'), { recursive: true });
  const { out, code } = run('journal', 'stats');
  assert.equal(code, 0);
  assert.match(out, /^4 mails\n/);
  for (const row of ['relayed', 'deferred', 'rejected', 'spf', 'example.com', 'sender.example', '(none)'])
    assert.ok(
      out.split('\n').some((line) => line.startsWith(`  ${row} `)),
      row,
    );
  const { verdicts, domains } = JSON.parse(run('journal', 'stats', 'Example.COM', '--json').out) as {
    readonly verdicts: unknown;
    readonly domains: unknown;
  };
  assert.deepEqual(verdicts, { relayed: 2, deferred: 1, rejected: 1 });
  assert.deepEqual(domains, [{ name: 'example.com', count: 4 }]);
  assert.equal(run('journal', 'stats', 'example.org').code, 1);
  assert.equal(run('journal', 'stats', '--days=none').code, 64);
  assert.deepEqual(readdirSync(join(state, 'journal'), { recursive: true }), files);
});

test('the story of one mail, by the ID of any of its tries', () => {
  for (const name of ['first', 'second']) {
    const { out, code } = run('track', ids[name]?.toLowerCase() ?? '', '--utc');
    assert.equal(code, 0);
    assert.match(out, /^anna@sender\.example → alice@example\.com {4}"Angebot", 48 kB, <1@sender\.example>/);
    assert.match(out, /try 1 {3}203\.0\.113\.9 mail\.sender\.example {3}TLS 1\.3 .* deferred\n/);
    assert.match(out, /\n {12}reply {3}450 4\.7\.1 Greylisted/);
    assert.match(out, /try 2 .* relayed\n {12}said {4}spf pass; greylisting pass: known since 21:41\n/);
    assert.match(out, /\n {12}relay {3}127\.0\.0\.1:10025 {2}31 ms {2}queued as 4WxY\n/);
    assert.match(out, /84 ms in all\nnext {8}4WxY in your MTA's log\n$/);
    assert.ok(!out.includes('rejected'));
  }
  assert.match(run('track', ids['rejected'] ?? '').out, /next {8}postern quarantine show \w{14}\n$/);
});

test('JSON is one object a line, CSV a table; neither holds what a terminal or a spreadsheet obeys', () => {
  const lines = run('track', '--json').out.trim().split('\n');
  assert.equal(lines.length, 4);
  assert.equal((JSON.parse(lines[0] ?? '') as JournalLine).subject, '\u001b[31m\u202egpj.exe');
  const csv = run('track', '--csv').out;
  assert.match(csv, /^time,verdict,from,[^\r]*\r\n2026|^time,verdict,from,[^\r]*\r\n\d{4}-/);
  assert.match(csv, /,'=cmd\(\),/);
  for (const out of [lines.join('\n'), csv, run('track').out]) assert.doesNotMatch(out, /[\u001b\u202e]/);
});

test('where nothing is found it says how far it looked and what comes closest, and ends with 1', () => {
  /** [words, what it says] */
  const table: readonly [words: readonly string[], says: RegExp][] = [
    [['anna@elsewhere.example'], /looked back to .*\nclosest: 3 by postern track anna@\n/],
    [['bob@sender.example'], /closest: 3 by postern track @sender\.example\n/],
    [['verdict:discarded', 'to:alice@example.com'], /closest: 4 by postern track to:alice@example\.com\n/],
    [['verdict:relayed', 'ip:198.51.100.7'], /closest: 1 by postern track ip:198\.51\.100\.7, all rejected\n/],
    [['zebra'], /^nothing found; looked back to [^\n]*\n$/],
    [[newId(started)], /the journal has no mail \w{14}; looked back to /],
  ];
  for (const [words, says] of table) {
    const { out, err, code } = run('track', ...words);
    assert.deepEqual([out, code], ['', 1], words.join(' '));
    assert.match(err, says);
  }
});

test('on a terminal a search says how far it has come, and leaves nothing of that behind', (t) => {
  if (!needPeer(t, 'script')) return;
  const command = `${process.execPath} ${main} track nothing-has-this-word --state=${state}`;
  const { stdout } = spawnSync('script', ['-qec', command, '/dev/null'], {
    encoding: 'utf8',
    env: { ...inherited(), TERM: 'xterm' },
  });
  assert.match(stdout, /\r\[#+\.*\] \d+ % [^\r]*\x1b\[K\r\x1b\[Knothing found/);
});

test('what is wrong is said: keys, options, a journal that is not kept or not there', () => {
  assert.match(run('track', 'form:anna').err, /there is no key form:; the keys are from, to/);
  assert.equal(run('track', '--limit=x').code, 64);
  assert.equal(run('track', '--jsn').code, 64);
  assert.match(run('track', '--journal=0', '--state=/nonexistent').err, /journal is 0|given twice/);
  assert.equal(run('journal', 'erase', 'anna').code, 64);
  assert.equal(run('journal', 'burn').code, 64);
  for (const name of ['track', 'tail', 'journal']) assert.match(run(name, '--help').out, /postern \w+/);
});

test('tail shows lines as they are written, and ends with TERM', async () => {
  const child = spawn(process.execPath, [main, 'tail', 'to:alice', `--state=${state}`], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: inherited(),
  });
  let out = '';
  child.stdout.on('data', (octets: Buffer) => void (out += octets.toString()));
  const writer = writerIn(join(state, 'journal'));
  const beat = setInterval(() => {
    writer.write({ ...relayed, time: new Date().toISOString() });
    writer.write({ ...relayed, to: [{ address: 'bob@example.com', reply: '' }] });
    writer.flush();
  }, 300);
  try {
    await until(() => out.split('\n').length > 3);
  } finally {
    clearInterval(beat);
    writer.close();
  }
  const ended = new Promise((resolve) => child.on('exit', resolve));
  child.kill('SIGTERM');
  assert.equal(await ended, 0);
  assert.match(out, /^\d\d:\d\d:\d\d relayed {5}anna@sender\.example → alice@example\.com {2}4WxY {2}84 ms\n/);
  assert.ok(!out.includes('bob'));
});

test('journal erase takes an address out, and the audit says so without naming it', () => {
  const { out, code } = run('journal', 'erase', 'Anna@sender.example');
  assert.match(out, /^\d+ lines erased\n$/);
  assert.equal(code, 0);
  assert.equal(run('track', 'from:anna').code, 1);
  assert.equal(run('track', 'from:@sender.example').code, 0);
  const audit = run('audit', 'journal').out;
  assert.match(audit, /journal erased @sender\.example/);
  assert.ok(!/anna/i.test(audit));
  assert.equal(run('journal', 'erase', 'anna@sender.example').code, 1);
});
