/** Digest mails as the local MTA gets them, and their links as a browser follows them. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { simpleParser } from 'mailparser';
import { packageRoot } from '../../src/cli/package-root.js';
import { composeDigest } from '../../src/digest/compose.js';
import { Links } from '../../src/digest/links.js';
import { discard } from '../../src/quarantine/care/discard.js';
import { parseEntry } from '../../src/quarantine/disk/index-entry.js';
import { keptOnDisk } from '../../src/quarantine/kept-on-disk.js';
import { parseRef } from '../../src/quarantine/disk/mail-ref.js';
import { reply } from '../../src/mail/reply.js';
import type { Relay } from '../../src/relay/relay.js';
import { digestApp } from '../../src/web/pages/digest.js';
import { inherited } from '../support/environment.js';
import { Client, keep, openSite, type Site } from '../web/support.js';

const url = 'https://mail.test.example';

const yesterday = (): Date => {
  const now = new Date();
  return new Date(now.getFullYear(), now.getMonth(), now.getDate() - 1, 12, 34);
};

const refOf = (name: string): NonNullable<ReturnType<typeof parseRef>> => parseRef(name) ?? assert.fail(name);

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

interface Digests extends Site {
  readonly state: string;
  /** `more`: settings. */
  run(words?: readonly string[], more?: Readonly<Record<string, string>>): Promise<Ended>;
}

async function openDigests(t: Parameters<typeof openSite>[0]): Promise<Digests> {
  const state = fs.mkdtempSync(path.join(os.tmpdir(), 'postern-digest-'));
  t.after(() => fs.rmSync(state, { recursive: true, force: true }));
  const site = await openSite(t, [`digest_url=${url}`, `state=${state}`]);
  const settings = {
    spam: site.spam,
    srv: site.srv,
    state,
    hostname: 'mx.test.example',
    relay: site.relay,
    digest_url: url,
  };
  const run: Digests['run'] = (words = [], more = {}) => {
    const main = path.join(packageRoot, 'dist/src/main.js');
    const flags = Object.entries({ ...settings, ...more }).map(([name, value]) => `--${name}=${value}`);
    const child = spawn(process.execPath, [main, 'quarantine', 'digest', ...flags, ...words], {
      env: { ...inherited(), NO_COLOR: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let [out, err] = ['', ''];
    child.stdout.on('data', (part: Buffer) => (out += part.toString()));
    child.stderr.on('data', (part: Buffer) => (err += part.toString()));
    return new Promise((resolve) => child.on('close', (code) => resolve({ code, out, err })));
  };
  return { ...site, state, run };
}

test('a digest has yesterday’s mails of its domain, is sent once, and again only when told so', async (t) => {
  const site = await openDigests(t);
  await keep(site, { time: yesterday(), subject: 'of yesterday', reason: 'No such user', plugin: 'valid_users' });
  await keep(site, { time: yesterday(), subject: 'of another', domain: 'example.net' });
  await keep(site, { subject: 'of today' });
  const dry = await site.run(['--dry-run']);
  assert.equal(dry.code, 0, dry.err);
  assert.match(dry.out, /example\.com {2}would send 1 mail/);
  assert.deepEqual([site.delivered(), fs.readdirSync(site.state)], [[], []]);
  assert.match((await site.run(['--domain=example.com'])).out, /example\.com {2}sent 1 mail: /);
  const again = await site.run(['--domain=example.com']);
  assert.deepEqual([again.code, again.out], [0, 'example.com  already\n']);
  assert.equal(site.delivered().length, 1);
  const mail = await simpleParser(site.delivered()[0] ?? '');
  assert.deepEqual(
    [mail.to].flat().map((to) => to?.text),
    ['postmaster@example.com'],
  );
  assert.equal(mail.headers.get('auto-submitted'), 'auto-generated');
  for (const text of [mail.text ?? '', mail.html || '']) {
    assert.match(text, /of yesterday[\s\S]*No such user \(valid_users\)/);
    assert.ok(text.includes(`${url}/digest/`));
    assert.doesNotMatch(text, /of another|of today/);
  }
  await site.run(['--domain=example.com', '--again']);
  assert.equal(site.delivered().length, 2);
});

test('what clients wrote is text in the digest, on one line', async (t) => {
  const site = await openDigests(t);
  const hostile = '<script>alert(1)</script><a href="https://evil.example">x</a>\r\nBcc: b@evil.example\u202e';
  await keep(site, {
    time: yesterday(),
    subject: hostile,
    from: '"<img/src=x>"@evil.example',
    text: 'Subject: x\r\n\r\nx\r\n',
  });
  const sent = await site.run();
  assert.equal(sent.code, 0, sent.err);
  const mail = await simpleParser(site.delivered()[0] ?? '');
  const html = mail.html || '';
  assert.ok(html.includes('&lt;script&gt;alert(1)') && html.includes('&lt;img/src=x&gt;'), html);
  assert.doesNotMatch(html, /<script|<img|href="https:\/\/evil/);
  assert.equal(mail.bcc, undefined);
  assert.doesNotMatch(mail.text ?? '', /^Bcc:|\u202e/m);
});

test('when the MTA is down the command says so, and the digest is still to be sent', async (t) => {
  const site = await openDigests(t);
  await keep(site, { time: yesterday() });
  const down = await site.run([], { relay: '127.0.0.1:1' });
  assert.equal(down.code, 69, down.out);
  assert.match(down.out, /example\.com {2}unreachable: /);
  assert.match((await site.run()).out, /example\.com {2}sent/);
});

test('without digest_url nothing is sent, and a domain that is not hosted gets nothing', async (t) => {
  const site = await openDigests(t);
  await keep(site, { time: yesterday() });
  assert.equal((await site.run([], { digest_url: '' })).code, 78);
  assert.equal((await site.run(['--domain=elsewhere.example'])).code, 64);
  assert.deepEqual(site.delivered(), []);
});

test('a link from the mail asks, then releases its mail, once; GET changes nothing', async (t) => {
  const site = await openDigests(t);
  await keep(site, { time: yesterday(), subject: 'wanted <b>' });
  await keep(site, { time: yesterday(), subject: 'other' });
  await site.run();
  const { text = '' } = await simpleParser(site.delivered()[0] ?? '');
  const target = /wanted[\s\S]*?https:\/\/mail\.test\.example(\/digest\/\S+)/.exec(text)?.[1] ?? assert.fail(text);
  const browser = new Client(site);
  for (let i = 0; i < 2; i++) {
    const asked = await browser.get(target, { Host: 'mail.test.example' });
    assert.equal(asked.status, 200);
    assert.ok(asked.body.includes('wanted &lt;b&gt;') && asked.body.includes('<form method="post">'));
  }
  assert.equal(site.delivered().length, 1);
  assert.equal((await browser.post(target, {}, { Origin: 'https://evil.example' })).status, 403);
  const both = await Promise.all([browser.post(target, {}), new Client(site).post(target, {})]);
  assert.deepEqual(
    both.map(({ status }) => status).toSorted((a, b) => a - b),
    [200, 410],
  );
  assert.equal((await browser.get(target)).status, 410);
  const released = site.delivered().filter((mail) => mail.includes('X-Released-By: postmaster@example.com (digest)'));
  assert.equal(released.length, 1);
  assert.match(released[0] ?? '', /Subject: wanted/);
  const used = new Links(site.state).read(target.slice(8));
  assert.ok(used.kind === 'works' && new Links(site.state).isSpent(used.link));
});

test('a link that is expired, forged or put together from two does nothing', async (t) => {
  const site = await openDigests(t);
  const [one, two] = [await keep(site), await keep(site)].map(refOf);
  assert.ok(one && two);
  const links = new Links(site.state);
  const expires = Date.now() + 60_000;
  const [good, other] = [links.make({ ref: one, expires }), links.make({ ref: two, expires })];
  const elsewhere = new Links(fs.mkdtempSync(path.join(site.root, 'state-'))).make({ ref: one, expires });
  const [text = '', signature = ''] = good.split('.');
  const later = Buffer.from(Buffer.from(text, 'base64url').toString().replace(/^\d/, '9')).toString('base64url');
  const bad = {
    'of another secret': elsewhere,
    'a signature of another mail': `${text}.${other.split('.')[1]}`,
    'a later end': `${later}.${signature}`,
    unsigned: `${text}.`,
    nothing: 'x',
  };
  const browser = new Client(site);
  for (const [what, link] of Object.entries(bad)) {
    assert.equal((await browser.get(`/digest/${link}`)).status, 404, what);
    assert.equal((await browser.post(`/digest/${link}`, {})).status, 404, what);
  }
  const ended = links.make({ ref: one, expires: Date.UTC(2026, 10, 20, 10) });
  for (const answer of [await browser.get(`/digest/${ended}`), await browser.post(`/digest/${ended}`, {})]) {
    assert.equal(answer.status, 410);
    assert.match(answer.body, /This link has ended[\s\S]*It worked until 2026-11-20 10:00 UTC/);
  }
  assert.deepEqual(site.delivered(), []);
  assert.equal((await browser.post(`/digest/${good}`, {})).status, 200);
});

test('a link whose mail was released or deleted by others says so, and asks nothing', async (t) => {
  const site = await openDigests(t);
  const links = new Links(site.state);
  const [released, deleted] = [refOf(await keep(site)), refOf(await keep(site))];
  const [one, two, three] = [released, released, deleted].map(
    (ref, i) => `/digest/${links.make({ ref, expires: Date.now() + 60_000 + i })}`,
  );
  assert.ok(one && two && three);
  const browser = new Client(site);
  assert.equal((await browser.post(one, {})).status, 200);
  await discard(site.spam, deleted, 'anna');
  for (const [target, said] of [
    [two, /This mail was released on \d{4}-/],
    [three, /The mail is gone/],
  ] as const) {
    const asked = await browser.get(target);
    assert.equal(asked.status, 410);
    assert.match(asked.body, said);
    assert.doesNotMatch(asked.body, /<form/);
    assert.match((await browser.post(target, {})).body, said);
  }
  assert.equal(site.delivered().length, 1);
});

test('links and the secret are nobody else’s to read, and spent ones are forgotten when they have ended', async (t) => {
  const site = await openDigests(t);
  const links = new Links(site.state);
  const link = { ref: refOf(await keep(site)), expires: Date.now() + 60_000 };
  links.make(link);
  assert.equal(fs.statSync(path.join(site.state, 'digest/secret')).mode & 0o077, 0);
  assert.deepEqual([links.spend(link), links.spend(link)], [true, false]);
  links.tidy();
  assert.ok(links.isSpent(link));
  links.tidy(link.expires + 1);
  assert.ok(!links.isSpent(link));
});

test('a link whose mail the MTA does not take is not used up', async (t) => {
  const site = await openDigests(t);
  const links = new Links(site.state);
  const link = links.make({ ref: refOf(await keep(site)), expires: Date.now() + 60_000 });
  const failures: readonly (readonly [send: Relay['send'], status: number, said: RegExp])[] = [
    [() => Promise.resolve({ kind: 'unreachable', problem: '127.0.0.1: down' }), 503, /cannot be reached\. The link/],
    [
      () => Promise.resolve({ kind: 'refused', reply: reply(452, '4.2.2', 'Mailbox <b> full') }),
      503,
      /did not take the mail: 452 4\.2\.2 Mailbox &lt;b&gt; full\. The link/,
    ],
    [() => Promise.reject(new Error('EIO')), 500, /^Internal Server Error$/],
  ];
  for (const [send, status, said] of failures) {
    const app = digestApp({
      audit: { record: () => undefined },
      hasUser: () => false,
      links,
      relay: { send },
      mails: keptOnDisk(site.spam),
      hostname: 'mx.test.example',
    });
    app.onError((_, c) => c.text('Internal Server Error', 500));
    const answer = await app.request(`/${link}`, { method: 'POST' });
    assert.equal(answer.status, status);
    assert.match(await answer.text(), said);
  }
  assert.equal((await new Client(site).post(`/digest/${link}`, {})).status, 200);
  assert.equal(site.delivered().length, 1);
});

test('two commands at once send one digest; mails that were released or deleted are not in it', async (t) => {
  const site = await openDigests(t);
  await keep(site, { time: yesterday(), subject: 'still there' });
  const deleted = await keep(site, { time: yesterday(), subject: 'thrown away' });
  await discard(site.spam, refOf(deleted), 'anna');
  const ended = await Promise.all([site.run(), site.run()]);
  assert.equal(ended.filter(({ out }) => /sent 1 mail:/.test(out)).length, 1, JSON.stringify(ended));
  assert.equal(site.delivered().length, 1);
  assert.doesNotMatch((await simpleParser(site.delivered()[0] ?? '')).text ?? '', /thrown away/);
});

test('more than a mail should hold: the newest 200, and how many there are', async () => {
  const entry = parseEntry(JSON.stringify({ time: '2026-11-24T10:00:00Z', filename: 'x', subject: 'hello' }));
  assert.ok(entry);
  const rows = Array.from({ length: 200 }, (_, i) => ({ entry, link: `${url}/digest/${i}` }));
  const about = { domain: 'example.com', hostname: 'mx.test.example', day: '2026-11-24', expires: new Date(), rows };
  const { subject, text = '' } = await simpleParser(await composeDigest({ ...about, mails: 1234 }));
  assert.equal(subject, '1234 mails for example.com refused on 2026-11-24');
  assert.match(text, /These are the newest 200/);
});
