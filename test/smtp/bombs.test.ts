/**
 * Mails of half a megabyte that keep some parser busy, with every check on: the process that serves others besides must
 * not spend more than a quarter of a second of its own CPU time on any without a turn of its event loop.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { PosternProcess } from '../support/child.js';
import { freePort } from '../support/free-port.js';
import { startSink, type Sink } from '../../src/trial/sink.js';

const maxTurnMs = 250;

/**
 * Runs in the process under test: writes down the longest stretch of CPU time of its main thread between two turns of
 * the loop. A timer that is due runs once a turn; what is measured is at most its period too much.
 */
const probe = `
  import { readFileSync, writeFileSync } from 'node:fs';
  const cpu = () => Number(readFileSync('/proc/self/task/' + process.pid + '/schedstat', 'latin1').split(' ')[0]) / 1e6;
  let last = cpu();
  let worst = 0;
  setTimeout(() => (worst = 0), 3000).unref(); // what it takes to start is not asked here
  setInterval(() => {
    const now = cpu();
    if (now - last > worst) {
      worst = now - last;
      writeFileSync(process.env.TURNS + '/' + process.pid, String(worst));
    }
    last = now;
  }, 5).unref();
`;

const checks = [
  'helo', 'date', 'sender', 'address', 'mailers', 'mailman', 'empty_body', 'attachments', 'spf',
  'dkim', 'dkim_check', 'dmarc', 'from_spoof',
]; // prettier-ignore

let turns: string;
let mx: PosternProcess;
let sink: Sink;

before(async () => {
  turns = mkdtempSync(join(tmpdir(), 'postern-turns-'));
  writeFileSync(join(turns, 'probe.mjs'), probe);
  const relayPort = await freePort();
  sink = await startSink({ host: '127.0.0.1', port: relayPort, dir: join(turns, 'sink'), log: () => undefined });
  mx = await PosternProcess.start({
    markers: ['example.com/users/valid/alice', ...checks.map((check) => `example.com/checks/${check}`)],
    relayPort,
    settings: ['session_timeout=10m'],
    env: { NODE_OPTIONS: `--import=${join(turns, 'probe.mjs')}`, TURNS: turns },
  });
  // What is loaded when the first mail needs it is loaded now.
  assert.match(await send(mail({ fields: [signature('from'), 'From: a@y.example'] })), /^(250|550)/);
  await new Promise((resolve) => setTimeout(resolve, 3200));
});
after(async () => {
  await mx.close();
  await sink.close();
  rmSync(turns, { recursive: true, force: true });
});

interface Parts {
  readonly fields: readonly string[];
  readonly body?: string;
}

const mail = ({ fields, body = 'Hello.\r\n' }: Parts): string =>
  [...fields, 'Date: Sat, 28 Nov 2026 10:00:00 +0000', 'Subject: x', 'MIME-Version: 1.0', '', body].join('\r\n');

const signature = (h: string, c = 'relaxed/relaxed'): string =>
  `DKIM-Signature: v=1; a=rsa-sha256; c=${c}; d=y.example; s=s; h=${h}; bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=AAAA`;

/** So many octets of the unit, folded. */
function folded(unit: string, octets: number): string {
  const line = unit.repeat(Math.floor(900 / unit.length));
  return `${line}\r\n `.repeat(Math.floor(octets / (line.length + 3)));
}

const half = 500_000;
const addressed = (unit: string, octets = half): Parts => ({
  fields: [signature('from'), `From: ${folded(unit, octets)}x@y.example`],
});
const multipart = (count: number, part: string, end = ''): Parts => ({
  fields: ['From: a@y.example', 'Content-Type: multipart/mixed; boundary=b'],
  body: `${`--b\r\n${part}\r\n`.repeat(count)}${end}`,
});
const html = (body: string): Parts => ({ fields: ['From: a@y.example', 'Content-Type: text/html'], body });
const names = (count: number): string => Array.from({ length: count }, (_, i) => `x${i}`).join(':');

const bombs: readonly (readonly [what: string, parts: Parts])[] = [
  ['addresses', addressed('a@b.example,')],
  ['addresses within the bounds', addressed('a@b.example ', 15_000)],
  ['nested groups', addressed('g:')],
  ['nested groups within the bounds', addressed('g:', 15_000)],
  ['open comments', addressed('(')],
  ['open brackets', addressed('<')],
  ['quoted names', addressed('"a" <b@c>,')],
  ['encoded words', addressed('=?utf-8?q?=61?= ')],
  ['encoded words within the bounds', addressed('=?utf-8?q?a=40b.example?= ', 15_000)],
  ['encoded words of as many domains', { fields: [signature('from'), `From: ${Array.from({ length: 600 }, (_, i) => `=?x${i}?q?a=40b${i}.x?=`).join('\r\n ')}`] }],
  ['encoded words in the subject', { fields: ['From: a@y.example', `Subject: ${folded('=?utf-8?b?YQ==?= ', half)}`] }],
  ['encoded words of charsets that do not exist', { fields: ['From: a@y.example', `Subject: ${folded('=?x?q?a?= ', half)}`] }],
  ['folds', { fields: [signature('from:x'), 'From: a@y.example', `X: ${'a\r\n '.repeat(80_000)}a`] }],
  ['fields', { fields: [signature('from'), 'From: a@y.example', ...Array.from({ length: 40_000 }, (_, i) => `X${i}: y`)] }],
  ['From: fields', { fields: [signature('from'), ...Array.from({ length: 20_000 }, () => 'From: a@y.example')] }],
  ['signatures', { fields: [...Array.from({ length: 2_000 }, () => signature(names(20))), 'From: a@y.example'] }],
  ['signed names', { fields: [...Array.from({ length: 8 }, () => signature(names(2_000))), 'From: a@y.example', ...Array.from({ length: 2_000 }, (_, i) => `X${i}: y`)] }],
  ['signed fields that are large', { fields: [...Array.from({ length: 8 }, () => signature(`${Array.from({ length: 30 }, () => 'x').join(':')}:from`)), 'From: a@y.example', ...Array.from({ length: 30 }, () => `X: ${folded(' a', 15_000)}`)] }],
  ['names signed again and again', { fields: [...Array.from({ length: 8 }, () => signature(Array.from({ length: 1000 }, () => 'x').join(':'))), 'From: a@y.example', ...Array.from({ length: 80 }, () => `X: ${folded('a ', 5000)}`)] }],
  ['recipients in groups', { fields: [signature('to'), 'From: a@y.example', `To: ${folded('g:', half)}x@y.example`] }],
  ['a list’s addresses', { fields: ['From: a@y.example', `List-Unsubscribe: ${folded('g:', half)}<https://y.example/>`] }],
  ['the tags of a signature', { fields: [`DKIM-Signature: v=1; d=y.example; ${folded('q=1; ', half)}`, 'From: a@y.example'] }],
  ['a body of line ends', { fields: [signature('from'), 'From: a@y.example'], body: '\r\n'.repeat(half) }],
  ['a body of spaces', { fields: [signature('from'), signature('from', 'simple/simple'), 'From: a@y.example'], body: `${' '.repeat(900)}\r\n`.repeat(5_000) }],
  ['parts', multipart(40_000, 'Content-Type: text/plain\r\n\r\nx')],
  ['multiparts without parts', multipart(0, '', '--b--\r\n')],
  ['nested multiparts', { fields: ['From: a@y.example', 'Content-Type: multipart/mixed; boundary=b0'], body: Array.from({ length: 8_000 }, (_, i) => `--b${i}\r\nContent-Type: multipart/mixed; boundary=b${i + 1}\r\n\r\n`).join('') }],
  ['parameters', { fields: [signature('from'), 'From: a@y.example', `Content-Type: text/plain; ${folded('a=b; ', half)}x=y`] }],
  ['base64', { fields: ['From: a@y.example', 'Content-Transfer-Encoding: base64'], body: 'A=\r\n'.repeat(120_000) }],
  ['quoted-printable', { fields: ['From: a@y.example', 'Content-Transfer-Encoding: quoted-printable'], body: '=3D=\r\n'.repeat(80_000) }],
  ['links', html(`<a href="https://example.net/">x</a>`.repeat(10_000))],
  ['nested elements', html('<div>'.repeat(100_000))],
]; // prettier-ignore

function send(message: string): Promise<string> {
  const said = [
    'EHLO client.example',
    'MAIL FROM:<a@y.example>',
    'RCPT TO:<alice@example.com>',
    'DATA',
    `${message}\r\n.`,
  ];
  return new Promise((resolve, reject) => {
    let reply = '';
    const socket = net.connect(mx.port, '127.0.0.1').setEncoding('latin1');
    socket.on('data', (text: string) => {
      reply += text;
      if (!/^\d{3} .*\r\n$/m.test(reply)) return;
      const last = reply.trimEnd().split('\r\n').at(-1) ?? '';
      reply = '';
      const next = said.shift();
      if (next !== undefined) return void socket.write(`${next}\r\n`);
      socket.end('QUIT\r\n');
      resolve(last);
    });
    socket.on('error', reject);
  });
}

const worstTurn = (): number => {
  const processes = readdirSync(turns).filter((name) => /^\d+$/.test(name));
  return Math.max(0, ...processes.map((name) => Number(readFileSync(join(turns, name), 'utf8'))));
};

for (const [what, parts] of bombs)
  test(`a mail of ${what} does not hold up others`, { timeout: 60_000 }, async () => {
    const reply = await send(mail(parts));
    assert.match(reply, /^(250|550|552|451) /);
    assert.ok(worstTurn() < maxTurnMs, `${worstTurn()} ms of CPU time in one turn; ${reply}`);
  });
