/**
 * Random hostile requests on a socket, by nobody, by somebody who may see one domain, and by an administrator: every
 * one is answered, none with a 500, none reads or writes outside of what it may. The seed is fixed; a failure prints
 * the request.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import fc from 'fast-check';
import { parseQuery } from '../../src/quarantine/look/query.js';
import { admin, Client, keep, ofExampleCom, openSite, type Site } from './support.js';
import { cpuMs } from '../support/cpu.js';

const secret = 'theirs-7f3a';
const canary = 'canary-91bd';

interface Ground {
  readonly site: Site;
  readonly cookies: Readonly<Record<Who, string>>;
  readonly csrf: Readonly<Record<Who, string>>;
  readonly refs: readonly string[];
}

type Who = 'nobody' | 'bob' | 'anna';

async function openGround(t: Parameters<typeof openSite>[0]): Promise<Ground> {
  const state = fs.mkdtempSync(path.join(os.tmpdir(), 'postern-state-'));
  t.after(() => fs.rmSync(state, { recursive: true }));
  const site = await openSite(t, [`state=${state}`, 'digest_url=https://mail.example.com']);
  const mine = await keep(site, { subject: 'mine' });
  const html = 'Content-Type: text/html; name=a.html\r\n\r\n<p>x</p>\r\n';
  const theirs = await keep(site, { domain: 'example.net', subject: secret, text: `Subject: ${secret}\r\n${html}` });
  fs.mkdirSync(path.join(site.srv, 'example.net/users/valid'), { recursive: true });
  fs.writeFileSync(path.join(site.srv, 'example.net/users/valid', secret), '');
  fs.writeFileSync(path.join(site.root, 'canary'), canary);
  fs.writeFileSync(path.join(site.spam, 'canary'), canary);
  const bob = await new Client(site).login(ofExampleCom);
  const anna = await new Client(site).login(admin);
  return {
    site,
    cookies: { nobody: '', bob: bob.cookie, anna: anna.cookie },
    csrf: { nobody: '', bob: await bob.csrf(), anna: await anna.csrf() },
    refs: [mine, theirs],
  };
}

interface Request {
  readonly who: Who;
  readonly method: 'GET' | 'POST';
  readonly target: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Buffer;
}

/** Octets as they are: no client library corrects them. */
function send({ site, cookies }: Ground, { who, method, target, headers, body }: Request): Promise<string> {
  const own: Record<string, string> = {
    Host: `127.0.0.1:${site.port}`,
    Connection: 'close',
    ...(cookies[who] !== '' && { Cookie: cookies[who] }),
    ...(method === 'POST' && { 'Content-Length': String(body.length) }),
  };
  for (const [name, value] of headers) own[name] = value;
  const lines = Object.entries(own).map(([name, value]) => `${name}: ${value}\r\n`);
  return new Promise((resolve, reject) => {
    const socket = net.connect(site.port, '127.0.0.1');
    const parts: Buffer[] = [];
    const late = globalThis.setTimeout(() => {
      socket.destroy();
      reject(new Error('no answer in 20 s'));
    }, 20_000);
    socket.on('data', (part) => parts.push(part));
    // Who answers before all was read may reset the connection; what was said counts.
    socket.on('error', () => undefined);
    socket.on('close', () => {
      clearTimeout(late);
      resolve(Buffer.concat(parts).toString('latin1'));
    });
    socket.write(Buffer.from(`${method} ${target} HTTP/1.1\r\n${lines.join('')}\r\n`, 'utf8'));
    socket.write(body);
  });
}

const statusOf = (answer: string): number => Number(/^HTTP\/1\.1 (\d{3}) /.exec(answer)?.[1]);

/** All files that none of these requests may change, with what they hold. */
function untouchable({ site }: Ground, who: Who): ReadonlyMap<string, string> {
  const names = fs.readdirSync(site.root, { recursive: true }).map(String);
  const may: Record<Who, RegExp> = {
    nobody: /^$/,
    bob: /^(?:sink\/|srv\/example\.com\/|spam\/(?:\d+|today)\/example\.com\/)/,
    anna: /^(?:sink\/|srv\/(?:example\.(?:com|net)|_global_)(?:\/|$)|spam\/(?:\d+|today)\/example\.(?:com|net)\/)/,
  };
  const hash = (file: string): string =>
    fs.lstatSync(file).isFile() ? createHash('sha256').update(fs.readFileSync(file)).digest('hex') : 'folder';
  return new Map(names.filter((name) => !may[who].test(name)).map((name) => [name, hash(path.join(site.root, name))]));
}

// prettier-ignore
const crumbs = [
  '..', '../', '/', '//', '\\', '.', '%2e', '%2E%2e', '%2f', '%5c', '%00', '%0d%0a', '%ff', '%', '%zz', '%u002e', '%c0%ae%c0%ae', '%25%32%66', '%e2%80%ae',
  'today', 'yesterday', '0', '1', '329', '330', '366', '367', '-1', '1e3', 'example.com', 'example.net', 'EXAMPLE.NET', 'example.net.', 'ｅxample.net', '_global_', '_unknown_',
  'new', 'cur', 'tmp', 'index', 'canary', 'tokens', 'etc', 'passwd', 'proc/self/environ', ':2,S', '1795178529.W1_1.mx', '__proto__', 'constructor', 'checks/', 'users/valid/', 'users/valid/*',
  'whitelisted/senders/', 'blacklisted/ips/', '<script>alert(1)</script>', '"', "'", '&', '=', ';', ',', '\u202e', '\u2028', '💥', 'ﬀ', 'İ', 'x'.repeat(300), 'é'.repeat(200), '$&', '{{1}}',
];

const text = (refs: readonly string[]): fc.Arbitrary<string> =>
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.array(fc.constantFrom(...crumbs, ...refs), { maxLength: 6 }).map((all) => all.join('')),
    },
    { weight: 2, arbitrary: fc.constantFrom(...refs) },
    { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 40 }) },
    { weight: 1, arbitrary: fc.constantFrom('y'.repeat(5_000), '%2e%2e%2f'.repeat(700)) },
  );

/** Percent-encoded; of a lone surrogate what a browser makes of it. */
const encoded = (one: string): string => encodeURIComponent(Buffer.from(one).toString());

/** Into a request line: what would end it is encoded, all else goes as it is. */
const inTarget = (one: string): string => one.replace(/[\0-\x20\x7f-\uffff]/g, (char) => encoded(char));
const word = (refs: readonly string[]): fc.Arbitrary<string> => text(refs).map(inTarget);
const component = (refs: readonly string[]): fc.Arbitrary<string> =>
  fc.oneof(
    word(refs),
    text(refs).map((one) => encoded(one)),
  );

const cursor = (refs: readonly string[]): fc.Arbitrary<string> =>
  fc.oneof(
    component(refs),
    fc
      .tuple(
        fc.oneof(fc.double(), fc.constantFrom(0, -1, 1e308, null, '1'), fc.date().map(Number)),
        fc.oneof(text(refs), fc.constantFrom('330/example.net', '\u{10ffff}', null, [])),
        fc.oneof(fc.integer(), fc.double(), fc.constantFrom(Number.MAX_SAFE_INTEGER, {})),
      )
      .map((place) => Buffer.from(JSON.stringify(place)).toString('base64url')),
    fc.constantFrom('W10', 'bnVsbA', 'e30', 'W10'.repeat(2_000)),
  );

const keysOfSearch = 'from to subject after before larger reason plugin ip host helo domain spf id is nokey'.split(' ');
const search = (refs: readonly string[]): fc.Arbitrary<string> =>
  fc
    .array(
      fc
        .tuple(
          fc.constantFrom('', '-', '--'),
          fc.oneof(
            fc.constant(''),
            fc.constantFrom(...keysOfSearch).map((key) => `${key}:`),
          ),
          fc.oneof(
            text(refs),
            fc.constantFrom(
              '9999d',
              '2026-13-45',
              '0000-00-00',
              '99999999999999999999g',
              '0.0.0.0/0',
              '::/0',
              '::ffff:1.2.3.4/999',
              '"',
              '"a b',
              '(((a+)+)+)+$',
              '\\',
              '[',
              '*',
            ),
          ),
        )
        .map((parts) => parts.join('')),
      { maxLength: 5 },
    )
    .map((terms) => terms.join(' '));

const target = (refs: readonly string[]): fc.Arbitrary<string> => {
  const part = component(refs);
  const end = fc.oneof(
    fc.constantFrom('', '', '/html', '/raw', '/attachment/0'),
    part.map((one) => `/attachment/${one}`),
    part.map((one) => `/${one}`),
  );
  const asked = search(refs).map((one) => encoded(one));
  return fc.oneof(
    fc
      .tuple(fc.constantFrom(...refs), end)
      .map(([ref, tail]) => `/mail/${ref.split('/').map(encodeURIComponent).join('/')}${tail}`),
    fc.tuple(part, part, part, end).map(([a, b, c, tail]) => `/mail/${a}/${b}/${c}${tail}`),
    fc.tuple(part, end).map(([a, tail]) => `/mail/${a}${tail}`),
    fc
      .tuple(fc.constantFrom('/assets/', '/domains/', '/digest/', '/part/', '/', ''), part)
      .map((both) => both.join('')),
    fc.tuple(fc.oneof(asked, part), cursor(refs)).map(([q, at]) => `/?q=${q}&cursor=${at}`),
    fc.tuple(fc.oneof(asked, part), cursor(refs)).map(([q, at]) => `/part/new?q=${q}&until=${at}`),
    fc.tuple(asked, part).map(([q, skip]) => `/audit?q=${q}&skip=${skip}`),
    fc.tuple(part, part).map(([name, value]) => `/?${name}=${value}&q=a&q=b&__proto__=1`),
  );
};

const headers = (refs: readonly string[]): fc.Arbitrary<Request['headers']> => {
  // A field's value ends at its line.
  const value = fc
    .oneof(
      text(refs),
      fc.constantFrom(
        '127.0.0.1',
        '127.0.0.1:0',
        'localhost:99999',
        '[::1',
        'evil.example',
        'null',
        'navigate',
        'same-site',
        'document',
        'https',
        'postern_session=',
        'postern_session=%',
        `postern_session=${'a'.repeat(43)}`,
        'a=b; '.repeat(300),
      ),
    )
    .map((one) => one.replace(/[\r\n\0]/g, ''));
  const name = fc.constantFrom(
    'Host',
    'Cookie',
    'Origin',
    'Referer',
    'Sec-Fetch-Site',
    'Sec-Fetch-Mode',
    'Sec-Fetch-Dest',
    'X-Forwarded-For',
    'X-Forwarded-Proto',
    'X-Forwarded-Host',
    'Content-Type',
    'Content-Length',
    'Transfer-Encoding',
    'Accept',
    'Range',
    'If-None-Match',
    'X-HTTP-Method-Override',
  );
  return fc.array(fc.tuple(name, value), { minLength: 1, maxLength: 3 });
};

const none = Buffer.alloc(0);
const reader = (refs: readonly string[], who: Who): fc.Arbitrary<Request> =>
  target(refs).map((one) => ({ who, method: 'GET', target: one, headers: [], body: none }));

const actions = [
  '/release',
  '/delete',
  '/replay',
  '/marker/create',
  '/marker/remove',
  '/zones',
  '/expiry',
  '/login',
  '/domains',
  '/audit',
  '/mail/1/2/3',
];

/** Forms that carry a good CSRF token, and those whose octets are not even a form. */
const changer = ({ refs, csrf }: Ground, who: Who): fc.Arbitrary<Request> => {
  const marker = fc.oneof(
    text(refs),
    fc
      .tuple(
        fc.constantFrom('example.com', 'example.net', '_global_', 'EXAMPLE.NET', '..', ''),
        fc.constantFrom('/checks/', '/users/valid/', '/whitelisted/senders/', '/blacklisted/ips/', '/../'),
        text(refs),
      )
      .map((all) => all.join('')),
  );
  const field = fc.oneof(
    fc.tuple(fc.constantFrom('mail'), fc.oneof(text(refs), fc.constantFrom(...refs))),
    fc.tuple(fc.constantFrom('marker'), marker),
    fc.tuple(fc.constantFrom('domain'), fc.constantFrom('example.com', 'example.net', '_global_', '..')),
    fc.tuple(fc.constantFrom('list'), fc.constantFrom('zones', 'domain_zones', 'expire', '../zones')),
    fc.tuple(
      fc.constantFrom(
        'text',
        'expire',
        'expire_size',
        'log',
        'key',
        'back',
        'form',
        'again',
        'undo',
        'token',
        'csrf',
        '__proto__',
      ),
      text(refs),
    ),
  );
  const fields = fc.array(field, { maxLength: 6 });
  const form = fields.map((all) => ({
    type: 'application/x-www-form-urlencoded',
    body: Buffer.from(
      new URLSearchParams(
        [['csrf', csrf[who]], ...all].map(([name = '', value = '']): [string, string] => [name, value]),
      ).toString(),
    ),
  }));
  const multipart = fields.map((all) => ({
    type: 'multipart/form-data; boundary=bbbbbbbbbbbbbbbbbbbbbbbb',
    body: Buffer.from(
      `${[['csrf', csrf[who]], ...all].map(([name, value]) => `--bbbbbbbbbbbbbbbbbbbbbbbb\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`).join('')}--bbbbbbbbbbbbbbbbbbbbbbbb--\r\n`,
    ),
  }));
  const junk = fc.record({
    type: fc.constantFrom(
      'multipart/form-data',
      'multipart/form-data; boundary=',
      'multipart/form-data; boundary=bbbbbbbbbbbbbbbbbbbbbbbb',
      'application/x-www-form-urlencoded; charset=utf-16',
      'application/json',
      'text/plain',
      'x',
    ),
    body: fc.oneof(
      fc.uint8Array({ maxLength: 300 }).map((octets) => Buffer.from(octets)),
      fc.constantFrom(
        none,
        Buffer.from('csrf='),
        Buffer.from('%'.repeat(1_000)),
        Buffer.from('--b\r\n--b\r\n--b--'),
        Buffer.from(`csrf=${csrf[who]}&${'mail=a&'.repeat(20_000)}`),
        Buffer.alloc(400_000, 'a'),
      ),
    ),
  });
  return fc.tuple(fc.constantFrom(...actions), fc.oneof(form, multipart, junk)).map(([where, { type, body }]) => ({
    who,
    method: 'POST',
    target: where,
    headers: [['Content-Type', type]],
    body,
  }));
};

const withHeaders = ({ refs }: Ground, who: Who): fc.Arbitrary<Request> =>
  fc
    .tuple(
      fc.constantFrom(
        '/',
        '/login',
        '/domains',
        '/charts',
        '/charts/all',
        '/audit',
        `/mail/${refs[1] ?? ''}`,
        '/delete',
      ),
      headers(refs),
    )
    .map(([where, all]) => ({
      who,
      method: where === '/delete' ? ('POST' as const) : ('GET' as const),
      target: where,
      headers: all,
      body: none,
    }));

/** More, and others: WEB_FUZZ_RUNS, WEB_FUZZ_SEED. */
const runs = Number(process.env['WEB_FUZZ_RUNS'] ?? 800);
const seed = Number(process.env['WEB_FUZZ_SEED'] ?? 7);

for (const who of ['nobody', 'bob', 'anna'] as const) {
  test(
    `whatever ${who} sends is answered, and neither reads nor writes what it may not`,
    { timeout: 300_000 },
    async (t) => {
      const ground = await openGround(t);
      const before = untouchable(ground, who);
      const seen = new Map<number, number>();
      const check = async (request: Request): Promise<void> => {
        const answer = await send(ground, request);
        const status = statusOf(answer);
        // Nothing at all is what Node says to a request that asks for it.
        assert.ok(status >= 200 && status < 500, `${status}: ${answer.slice(0, 300)}`);
        seen.set(status, (seen.get(status) ?? 0) + 1);
        assert.ok(!answer.includes(canary) && !answer.includes('root:x:0'), 'a file from elsewhere');
        assert.ok(who === 'anna' || !answer.includes(secret), 'a mail of another domain');
      };
      const looks = fc.oneof(reader(ground.refs, who), withHeaders(ground, who));
      // Looks first: a form may delete what there is to be seen.
      for (const requests of [looks, changer(ground, who)])
        await fc.assert(fc.asyncProperty(requests, check), { seed, numRuns: runs, endOnFailure: true });
      assert.deepEqual(untouchable(ground, who), before);
      assert.deepEqual(
        ground.site.log.filter((line) => line.includes('"level":50')),
        [],
      );
      // The requests reached what they were to reach.
      const reached = who === 'nobody' ? [302, 401, 400, 413] : [200, 303, 404, 400, 403, 413];
      for (const status of reached) assert.ok(seen.has(status), `never ${status}: ${JSON.stringify([...seen])}`);
      if (who !== 'nobody')
        assert.equal(statusOf(await send(ground, { who, method: 'GET', target: '/', headers: [], body: none })), 200);
    },
  );
}

test('who goes away in the middle of a request, or of an answer, disturbs nobody', { timeout: 60_000 }, async (t) => {
  const ground = await openGround(t);
  const { site, cookies } = ground;
  const large = await keep(site, { text: `Subject: large\r\n\r\n${'x'.repeat(8_000_000)}\r\n` });
  const begin = `Host: 127.0.0.1:${site.port}\r\nCookie: ${cookies.anna}\r\n`;
  const form = `${begin}Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000\r\n\r\ncsrf=`;
  for (const octets of [
    'GET / HT',
    `GET / HTTP/1.1\r\n${begin}`,
    `POST /delete HTTP/1.1\r\n${form}`,
    `POST /login HTTP/1.1\r\n${form}`,
    `GET /mail/${large}/raw HTTP/1.1\r\n${begin}\r\n`,
  ]) {
    for (const end of ['end', 'resetAndDestroy'] as const) {
      const socket = net.connect(site.port, '127.0.0.1');
      socket.on('error', () => undefined);
      await new Promise<void>((connected) => socket.once('connect', () => connected()));
      socket.write(octets);
      await setTimeout(50);
      socket[end]();
      socket.pause();
      await setTimeout(50);
      socket.destroy();
    }
  }
  await setTimeout(200);
  assert.equal(statusOf(await send(ground, { who: 'anna', method: 'GET', target: '/', headers: [], body: none })), 200);
  assert.deepEqual(
    site.log.filter((line) => line.includes('"level":50')),
    [],
  );
});

test('whatever is searched for, parsing it ends soon and never throws', () => {
  const refs = ['330/example.com/1795178529.W1_1.mx'];
  fc.assert(
    fc.property(fc.oneof(search(refs), fc.string({ unit: 'binary', maxLength: 1_200 })), (one) => {
      const began = cpuMs();
      const parsed = parseQuery(one);
      assert.ok(parsed.ok || parsed.problem.length > 0);
      assert.ok(cpuMs() - began < 1_000);
    }),
    { seed, numRuns: 2_000 },
  );
});
