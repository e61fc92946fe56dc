/** The quarantine page over HTTP: who may see what, what each form does, and what is refused. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import type { JournalLine } from '../../src/journal/line.js';
import { idOf } from '../../src/quarantine/disk/mail-ref.js';
import { tokenLine } from '../../src/web/login/tokens.js';
import { relayed, writerIn } from '../journal/support.js';
import { admin, type Answer, Client, keep, ofExampleCom, openSite, type Site } from './support.js';

const policyOf = ({ headers }: Pick<Answer, 'headers'>): string => String(headers['content-security-policy']);
const pageOf = (name: string): string => `/mail/${name.split('/').map(encodeURIComponent).join('/')}`;

/** As a reader sees it: white space counts within <pre> alone. */
const textOf = (body: string): string =>
  body
    .split(/(<pre[^]*?<\/pre>)/)
    .map((part) => [part.replace(/<[^>]*>/g, ''), part.startsWith('<pre')] as const)
    .map(([part, isPre]) => (isPre ? part : part.replace(/\s+/g, ' ')))
    .join('')
    .replaceAll('&gt;', '>')
    .replaceAll('&#39;', "'");

test('the list has what was refused, newest first, and the search narrows it', async (t) => {
  const site = await openSite(t);
  await keep(site, { subject: 'first mail' });
  await keep(site, { subject: 'second <b>mail</b>', from: 'x@sender.example', domain: 'example.net' });
  const anna = await new Client(site).login();
  const { body } = await anna.get('/');
  assert.ok(body.indexOf('second &lt;b&gt;mail') < body.indexOf('first mail') && body.includes('second &lt;b&gt;'));
  const found = await anna.search('/?q=from%3Ax%40sender.example');
  assert.ok(found.includes('second') && !found.includes('first mail'));
  assert.match((await anna.get('/?q=form%3Ax')).body, /no key form:/);
  assert.match(await anna.search('/?q=zebra'), /Nothing found/);
});

test('a mail’s page says why first: plugin, sentence, SMTP reply', async (t) => {
  const site = await openSite(t);
  const name = await keep(site, {
    reason: 'SPF fail: x does not permit y',
    reply: '550 5.7.23 SPF fail: <b>x</b> (W1)',
    plugin: 'spf',
    spf: 'fail',
  });
  const { body } = await (await new Client(site).login()).get(pageOf(name));
  const why = body.indexOf('SPF fail: x does not permit y');
  assert.ok(why > 0 && why < body.indexOf('The body.'));
  assert.ok(body.includes('<code>550 5.7.23 SPF fail: &lt;b&gt;x&lt;/b&gt; (W1)</code>'));
});

test('a mail’s page names the marker that did it, as the journal has it, to those who may see the mail', async (t) => {
  const site = await openSite(t);
  const blacklisted = { plugin: 'blacklist', reason: 'Blacklisted' };
  const name = await keep(site, blacklisted);
  const writer = writerIn(path.join(site.root, 'state/journal'));
  const [id, time] = [idOf(path.basename(name)), new Date().toISOString()];
  const line: JournalLine = {
    ...relayed,
    ...blacklisted,
    id,
    time,
    verdict: 'rejected',
    filename: path.basename(name),
  };
  writer.write({ ...line, reason: 'example.com/blacklisted/<b>' });
  writer.close();
  for (const token of [admin, ofExampleCom]) {
    const { body } = await (await new Client(site).login(token)).get(pageOf(name));
    assert.match(body, /<dt>Why<\/dt>\s*<dd>example\.com\/blacklisted\/&lt;b&gt;<\/dd>/);
  }
});

test('who the mail says it is from is shown, decoded, and the envelope where that is another', async (t) => {
  const site = await openSite(t);
  const text =
    'From: =?utf-8?q?J=C3=BCrgen_=3Cb=3E?= <info@bank.example>\r\nSubject: x\r\nTo: =?iso-8859-1?q?M=FCller?= <b@example.com>\r\n\r\nThe body.\r\n';
  const name = await keep(site, { text, from: 'x@evil.example', headerFrom: '"Jürgen <b>" <info@bank.example>' });
  const anna = await new Client(site).login();
  const list = await anna.search(`/?q=${encodeURIComponent('from:info@bank from:x@evil header-from:jürgen')}`);
  assert.ok(list.includes('>&quot;Jürgen &lt;b&gt;&quot; &lt;info@bank.example&gt;</span>'));
  assert.ok(list.includes('>envelope x@evil.example</span>'));
  assert.ok(list.includes('(envelope x@evil.example)"'));
  const page = textOf((await anna.get(pageOf(name))).body);
  assert.match(page, /From &quot;Jürgen &lt;b>&quot; &lt;info@bank\.example> Envelope x@evil\.example To /);
  assert.match(page, /To Müller &lt;b@example\.com>/);
});

const zoneOf = (hosts: string): object => ({
  'sender.example': { TXT: [['v=spf1 include:hosts.sender.example -all']] },
  'hosts.sender.example': { TXT: [[`v=spf1 ${hosts} -all`]] },
});

test('SPF is told term by term as it was, and again as it is now', async (t) => {
  const zoneFile = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'postern-zone-')), 'zone.json');
  t.after(() => fs.rmSync(path.dirname(zoneFile), { recursive: true }));
  fs.writeFileSync(zoneFile, JSON.stringify(zoneOf('ip4:192.0.2.1')));
  const site = await openSite(t, [`dns_zone=${zoneFile}`]);
  const name = await keep(site, { ip: '192.0.2.1', from: 'x@sender.example', zone: zoneOf('ip4:198.51.100.1') });
  const anna = await new Client(site).login();
  const then = textOf((await anna.get(pageOf(name))).body);
  assert.match(then, /When \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC /);
  assert.match(then, /SPF fail sender\.example does not permit 192\.0\.2\.1 to send its mail by -all/);
  assert.match(then, /hosts\.sender\.example {2}v=spf1 ip4:198\.51\.100\.1 -all/);
  assert.match(then, /`- -all {2}match -> fail\n/);
  const { body } = await anna.get(`${pageOf(name)}/spf`);
  const now = textOf(body);
  assert.match(now, /pass sender\.example designates 192\.0\.2\.1 as permitted sender/);
  assert.match(now, /ip4:192\.0\.2\.1 {2}match → pass/);
  assert.match(now, /When the mail was refused it was fail: the record has changed since/);
  assert.match(now, /postern spf check --explain --ip=192\.0\.2\.1 --helo='[^']*' --from='x@sender\.example'/);
  const bob = await new Client(site).login(ofExampleCom);
  const other = await keep(site, { domain: 'example.net', spf: 'fail' });
  assert.equal((await bob.get(`${pageOf(other)}/spf`)).status, 404);
});

test('where SPF was not asked the page says so, and can ask now', async (t) => {
  const site = await openSite(t);
  const name = await keep(site, { ip: '192.0.2.1' });
  const { body } = await (await new Client(site).login()).get(pageOf(name));
  assert.match(textOf(body), /SPF not asked Evaluate it now/);
});

test('release hands the mail over, says what the MTA said, and does it once', async (t) => {
  const site = await openSite(t);
  const name = await keep(site, {});
  const anna = await new Client(site).login();
  const form = { csrf: await anna.csrf(), mail: name, back: pageOf(name) };
  const answer = await anna.post('/release', form);
  assert.deepEqual([answer.status, answer.headers.location], [303, pageOf(name)]);
  assert.match((await anna.get(pageOf(name))).body, /released: .*queued as/);
  await anna.post('/release', form);
  assert.match((await anna.get('/')).body, /was released before/);
  const delivered = site.delivered();
  assert.equal(delivered.length, 1);
  assert.match(delivered[0] ?? '', /X-Released-By: anna \(page\)/);
});

for (const localPart of [
  'victim%elsewhere.example',
  'elsewhere.example!victim',
  '"a b"',
  '"@relay.example:x"',
  '"a,b"',
]) {
  test(`a mail to ${localPart}@example.com, which the MTA might route elsewhere, is released only with its exact marker`, async (t) => {
    const site = await openSite(t);
    const mail = await keep(site, { recipient: `${localPart}@example.com` });
    const valid = path.join(site.srv, 'example.com/users/valid');
    fs.mkdirSync(valid, { recursive: true });
    fs.writeFileSync(path.join(valid, '*'), '');
    const anna = await new Client(site).login();
    const csrf = await anna.csrf();
    await anna.post('/release', { csrf, mail });
    const marker = localPart.replaceAll('"', '');
    assert.ok(textOf((await anna.get('/')).body).includes(`no marker example.com/users/valid/${marker}`));
    assert.deepEqual(site.delivered(), []);
    fs.writeFileSync(path.join(valid, marker), '');
    await anna.post('/release', { csrf, mail });
    assert.equal(site.delivered().length, 1);
  });
}

test('delete takes all that are selected, and nothing else', async (t) => {
  const site = await openSite(t);
  const names = [await keep(site, {}), await keep(site, {}), await keep(site, { subject: 'stays' })];
  const anna = await new Client(site).login();
  await anna.post('/delete', { csrf: await anna.csrf(), mail: names.slice(0, 2) });
  const { body } = await anna.get('/');
  assert.match(body, /Deleted 2 mails\./);
  await anna.post('/delete', { csrf: await anna.csrf(), mail: names });
  assert.match((await anna.get('/?q=x')).body, /Deleted one mail; 2 mails gone before\./);
  assert.equal(body.match(/<li /g)?.length, 1);
  assert.ok(body.includes('stays'));
});

test('one click writes the marker, its path is shown, and undo takes it away again', async (t) => {
  const site = await openSite(t);
  const name = await keep(site, { from: 'Anna@Sender.example' });
  const anna = await new Client(site).login();
  const marker =
    /name="marker"\s+value="([^"]*whitelisted\/senders[^"]*)"/.exec((await anna.get(pageOf(name))).body)?.[1] ?? '';
  assert.equal(marker, 'example.com/whitelisted/senders/anna@sender.example');
  const csrf = await anna.csrf();
  await anna.post('/marker/create', { csrf, marker });
  const file = path.join(site.srv, marker);
  assert.ok(fs.existsSync(file));
  const { body } = await anna.get('/');
  assert.ok(body.includes(file) && body.includes('Undo'));
  await anna.post('/marker/remove', { csrf, marker, undo: '1' });
  assert.ok(!fs.existsSync(file));
});

test('a domain’s switches are its marker files', async (t) => {
  const site = await openSite(t);
  const anna = await new Client(site).login();
  const csrf = await anna.csrf();
  for (const [marker, key] of [
    ['example.com/checks/spf', ''],
    ['example.com/users/valid/', '*'],
    ['_global_/blacklisted/ips/', '192.0.2.0_24'],
  ])
    await anna.post('/marker/create', { csrf, marker: marker ?? '', key: key ?? '' });
  for (const file of ['example.com/checks/spf', 'example.com/users/valid/*', '_global_/blacklisted/ips/192.0.2.0_24'])
    assert.ok(fs.existsSync(path.join(site.srv, file)), file);
  assert.match(
    (await anna.get('/domains/example.com')).body,
    /aria-checked="true"[^>]*title="example\.com\/checks\/spf"/,
  );
  await anna.post('/marker/remove', { csrf, marker: 'example.com/checks/spf' });
  assert.ok(!fs.existsSync(path.join(site.srv, 'example.com/checks/spf')));
});

test('a switch says what its marker alone does not', async (t) => {
  const site = await openSite(t);
  const anna = await new Client(site).login();
  const put = (file: string, text = ''): void => {
    fs.mkdirSync(path.dirname(path.join(site.srv, file)), { recursive: true });
    fs.writeFileSync(path.join(site.srv, file), text);
  };
  put('example.com/checks/spf', 'log\n');
  put('example.com/checks/rhsbl');
  put('example.com/checks/frobnicate');
  put('example.com/zones', 'bl.example\n');
  const before = textOf((await anna.get('/domains/example.com')).body);
  assert.match(before, / spf log only /);
  assert.match(before, / rhsbl does nothing without the file domain_zones /);
  assert.match(before, / dnsbl on by the file zones /);
  assert.match(before, / frobnicate no such check /);
  assert.doesNotMatch(before, /on by all/);
  put('example.com/checks/all', 'log\n');
  assert.match(textOf((await anna.get('/domains/example.com')).body), / helo log only, by all /);
  put('example.com/checks/all');
  assert.match(textOf((await anna.get('/domains/example.com')).body), / helo on by all /);
});

test('a domain’s page says how long its refused mail is kept, and what is wrong with the file that says so', async (t) => {
  const site = await openSite(t, ['expire=30d', 'expire_size=2g']);
  const anna = await new Client(site).login();
  const file = path.join(site.srv, 'example.com/expire');
  const kept = async (): Promise<string> =>
    textOf((await anna.get('/domains/example.com')).body).replaceAll(site.srv, '');
  assert.match(
    await kept(),
    / kept 30 days, of all domains together at most 2\.1 GB \(the settings; there is no \/example\.com\/expire\) /,
  );
  fs.writeFileSync(file, 'expire = 0\nexpire_size = 1m\n');
  assert.match(await kept(), / kept for ever, at most 1\.0 MB, of all .* 2\.1 GB \(\/example\.com\/expire\) /);
  fs.writeFileSync(file, 'expire = 90 <b>days</b>\n');
  assert.match(await kept(), / kept example\.com\/expire: expire must be .* until this is mended /);
});

test('how long a domain’s refused mail is kept is changed on its page, in its file, by those who run the server', async (t) => {
  const site = await openSite(t, ['expire=30d']);
  const anna = await new Client(site).login();
  const csrf = await anna.csrf();
  const folder = path.join(site.srv, 'example.com');
  const file = path.join(folder, 'expire');
  const change = async (expire: string, size: string, domain = 'example.com'): Promise<Answer> => {
    const answer = await anna.post('/expiry', { csrf, domain, expire, expire_size: size, back: `/domains/${domain}` });
    return answer.status === 303 ? anna.get('/domains/example.com') : answer;
  };
  fs.writeFileSync(file, '# by contract\nexpire = 90 days\n');
  const written = textOf((await change(' 90d ', '1g')).body);
  assert.ok(written.includes(` Wrote ${file}: expire = 90d, expire_size = 1g `), written);
  assert.match(written, / kept 90 days, at most 1\.\d GB /);
  assert.equal(fs.readFileSync(file, 'utf8'), '# by contract\nexpire = 90d\nexpire_size = 1g\n');
  for (const [expire, size] of [
    ['3 weeks', ''],
    ['90d', 'big'],
    ['90d\nexpire_size = 1k', ''],
    ['90d # for ever', ''],
  ] as const) {
    assert.match(textOf((await change(expire, size)).body), / Nothing is changed: .* must be /, expire);
    assert.equal(fs.readFileSync(file, 'utf8'), '# by contract\nexpire = 90d\nexpire_size = 1g\n', expire);
  }
  for (const domain of ['example.com/users', '../srv/example.com', '_global_', 'elsewhere.example', ''])
    assert.equal((await change('1d', '', domain)).status, 404, domain);
  const bob = await new Client(site).login(ofExampleCom);
  assert.doesNotMatch((await bob.get('/domains/example.com')).body, /action="\/expiry"/);
  const theirs = { csrf: await bob.csrf(), domain: 'example.com', expire: '1h', expire_size: '' };
  assert.equal((await bob.post('/expiry', theirs)).status, 404);
  assert.deepEqual(fs.readdirSync(folder), ['expire']);
  assert.match(textOf((await change('', '')).body), / Removed \S+: the settings count\. [\s\S]* kept 30 days /);
  fs.mkdirSync(file);
  assert.match(textOf((await change('1d', '')).body), / cannot be written \(/);
});

test('a domain whose folder is in Unicode keeps that folder, and its token sees it', async (t) => {
  const site = await openSite(t);
  const [unicode, ascii] = ['b\u00fccher.example', 'xn--bcher-kva.example'];
  fs.mkdirSync(path.join(site.srv, unicode));
  const name = await keep(site, { domain: ascii });
  const file = path.join(site.root, 'tokens');
  for (const domain of [unicode, ascii]) {
    fs.appendFileSync(file, tokenLine(domain, domain, domain.padEnd(32, 'x')));
    const carl = await new Client(site).login(domain.padEnd(32, 'x'));
    assert.equal((await carl.get(pageOf(name))).status, 200);
    assert.match(textOf((await carl.get('/domains')).body), / b\u00fccher\.example mails /);
    assert.match(textOf((await carl.get(`/domains/${ascii}`)).body), /\/srv\/b\u00fccher\.example/);
    await carl.post('/marker/create', { csrf: await carl.csrf(), marker: `${ascii}/users/valid/`, key: domain });
    assert.ok(fs.existsSync(path.join(site.srv, unicode, 'users/valid', domain)), domain);
  }
  assert.ok(!fs.existsSync(path.join(site.srv, ascii)));
});

test('new mail is found by its place in the list', async (t) => {
  const site = await openSite(t);
  await keep(site, { subject: 'old' });
  const anna = await new Client(site).login();
  const first = /data-first="([^"]+)"/.exec((await anna.get('/')).body)?.[1] ?? '';
  await keep(site, { subject: 'fresh' });
  const fresh = JSON.parse((await anna.get(`/part/new?q=&until=${first}`)).body) as { count: number; rows: string };
  assert.equal(fresh.count, 1);
  assert.ok(fresh.rows.includes('fresh') && !fresh.rows.includes('old'));
});

test('charts count what there is, of one’s own domains alone', async (t) => {
  const site = await openSite(t);
  await keep(site, {});
  await keep(site, { domain: 'example.net' });
  assert.match((await (await new Client(site).login()).get('/part/charts')).body, /2 mails refused/);
  assert.match((await (await new Client(site).login(ofExampleCom)).get('/part/charts')).body, /1 mail refused/);
});

test('reasons of one kind are one bar, which leads to their mails', async (t) => {
  const site = await openSite(t);
  for (const [ip, from] of [
    ['192.0.2.1', 'a.example'],
    ['2001:db8::1', 'b.example'],
  ] as const)
    await keep(site, { plugin: 'spf', reason: `SPF fail: ${from} does not permit ${ip}`, subject: `of ${from}` });
  await keep(site, { plugin: 'date', reason: 'Missing header - Date:', subject: 'undated' });
  const anna = await new Client(site).login();
  const { body } = await anna.get('/part/charts');
  const [, href = ''] = /href="([^"]*)" title="spf: SPF fail: … does not permit …"/.exec(body) ?? [];
  const { body: found } = await anna.get(href.replaceAll('&amp;', '&'));
  assert.deepEqual(
    ['of a.example', 'of b.example', 'undated'].map((subject) => found.includes(subject)),
    [true, true, false],
  );
});

test('what cannot be shown is a page with a way back', async (t) => {
  const site = await openSite(t);
  const anna = await new Client(site).login();
  const pages: readonly (readonly [answer: Answer, status: number, title: string])[] = [
    [await anna.get('/nowhere'), 404, 'There is nothing here'],
    [await anna.get('/mail/1/example.com/1.A_1.mx'), 404, 'There is nothing here'],
    [await anna.post('/delete', { csrf: 'old' }), 403, 'This form is too old'],
    [await anna.post('/delete', {}, { 'Content-Type': 'multipart/form-data' }), 400, 'This is no form'],
    [await anna.post('/delete', { csrf: 'x'.repeat(300_000) }), 413, 'This is too much'],
  ];
  for (const [{ status, headers, body }, expected, title] of pages) {
    assert.equal(status, expected, title);
    assert.match(String(headers['content-type']), /^text\/html/, title);
    assert.ok(body.includes(`<h1>${title}</h1>`) && body.includes('<a href="/">To the mails</a>'), title);
  }
});

test('a search that is wrong is told, without a table that has nothing', async (t) => {
  const site = await openSite(t);
  await keep(site);
  const { body } = await (await new Client(site).login()).get('/?q=form%3Ax');
  assert.match(body, /class="notice bad" role="alert"/);
  assert.doesNotMatch(body, /id="rows"|Nothing found/);
});

test('the chart has each day, also those without mail, and a round scale', async (t) => {
  const site = await openSite(t);
  const dayAgo = (days: number): Date => new Date(Date.now() - days * 86_400_000);
  for (const time of [dayAgo(20), dayAgo(0), dayAgo(0), dayAgo(0)]) await keep(site, { time });
  const { body } = await (await new Client(site).login()).get('/part/charts');
  const [, scale = '', labels = ''] = /class="scale"[^>]*>([^]*?)<\/div>[^]*?<p>([^]*?)<\/p>/.exec(body) ?? [];
  assert.deepEqual(scale.match(/\d+/g), ['4', '2', '0']);
  const dates = labels.match(/\d{4}-\d\d-\d\d/g)?.map((date) => Date.parse(date)) ?? [];
  assert.deepEqual([dates.length, ((dates[2] ?? 0) - (dates[0] ?? 0)) / 86_400_000], [3, 20]);
  assert.equal(body.match(/<a href="[^"]*" aria-label="/g)?.length, 2);
});

test('a day of the chart leads to its mails', async (t) => {
  const site = await openSite(t);
  await keep(site, { subject: 'long ago', time: new Date(Date.now() - 5 * 86_400_000) });
  await keep(site, { subject: 'just now' });
  const anna = await new Client(site).login();
  const { body } = await anna.get('/part/charts');
  const days = [...body.matchAll(/<a href="([^"]+)" aria-label="[^"]+: 1"/g)].map(([, href = '']) =>
    href.replaceAll('&amp;', '&'),
  );
  assert.equal(days.length, 2);
  const shown = await Promise.all(days.map(async (day) => (await anna.get(day)).body));
  assert.deepEqual(
    shown.map((page) => ['long ago', 'just now'].filter((subject) => page.includes(subject))),
    [['long ago'], ['just now']],
  );
});

test('who has a token for one domain sees and changes nothing of another', async (t) => {
  const site = await openSite(t);
  const theirs = await keep(site, { subject: 'theirs', domain: 'example.net' });
  await keep(site, { subject: 'mine' });
  const bob = await new Client(site).login(ofExampleCom);
  const { body } = await bob.get('/');
  assert.ok(body.includes('mine') && !body.includes('theirs'));
  assert.ok(!(await bob.search('/?q=domain%3Aexample.net')).includes('theirs'));
  for (const target of [
    pageOf(theirs),
    `${pageOf(theirs)}/html`,
    `${pageOf(theirs)}/raw`,
    '/domains/example.net',
    '/domains/_global_',
  ])
    assert.equal((await bob.get(target)).status, 404, target);
  const csrf = await bob.csrf();
  await bob.post('/release', { csrf, mail: theirs });
  await bob.post('/delete', { csrf, mail: theirs });
  for (const marker of ['example.net/checks/spf', '_global_/whitelisted/senders/x@x.example']) {
    await bob.post('/marker/create', { csrf, marker });
    assert.ok(!fs.existsSync(path.join(site.srv, marker)), marker);
  }
  assert.deepEqual(site.delivered(), []);
  const anna = await new Client(site).login();
  assert.equal((await anna.get(pageOf(theirs))).status, 200);
});

const closed = [
  '/',
  '/part/new',
  '/mail/1/example.com/1.A_1.mx',
  '/charts',
  '/charts/all',
  '/part/charts',
  '/domains',
  '/domains/example.com',
];

test('without a session there is nothing but the login', async (t) => {
  const site = await openSite(t);
  const nobody = new Client(site);
  for (const target of closed) assert.ok([302, 401].includes((await nobody.get(target)).status), target);
  for (const target of ['/release', '/delete', '/marker/create', '/logout'])
    assert.equal((await nobody.post(target, {})).status, 401, target);
});

test('whoever logs in is led to what was asked for, and never to another site', async (t) => {
  const site = await openSite(t);
  const name = await keep(site, {});
  const nobody = new Client(site);
  const { headers } = await nobody.get(`${pageOf(name)}?images=1`);
  const page = await nobody.get(String(headers.location));
  const to = textOf(/name="to" value="([^"]*)"/.exec(page.body)?.[1] ?? '');
  assert.equal(to, `${pageOf(name)}?images=1`);
  assert.equal((await nobody.post('/login', { token: 'wrong', to })).body.includes(to), true, 'kept for the next try');
  assert.equal((await nobody.post('/login', { token: admin, to })).headers.location, to);
  for (const evil of [
    '//evil.example',
    '/\\evil.example',
    'https://evil.example',
    'javascript:1',
    '/\r\nX-Evil: 1',
    '/ x',
    '',
  ]) {
    assert.equal((await nobody.post('/login', { token: admin, to: evil })).headers.location, '/', JSON.stringify(evil));
    assert.match((await nobody.get(`/login?to=${encodeURIComponent(evil)}`)).body, /name="to" value="\/"/);
  }
});

test('a mail is released as an attachment, again where that is asked for, and several at once', async (t) => {
  const site = await openSite(t);
  const mail = [await keep(site, { subject: 'one' }), await keep(site, { subject: 'two' })];
  const anna = await new Client(site).login();
  const csrf = await anna.csrf();
  await anna.post('/release', { csrf, mail });
  assert.match((await anna.get('/')).body, /W\d+ released: .*; W\d+ released: /);
  assert.equal(site.delivered().length, 2);
  await anna.post('/release', { csrf, mail: mail[0] ?? '', again: '1', form: 'attachment' });
  const again = site.delivered().filter((text) => /^Content-Type: message\/rfc822/im.test(text));
  assert.equal(site.delivered().length, 3);
  assert.equal(again.length, 1);
  assert.match(again[0] ?? '', /Subject: one/);
});

async function fileCount(site: Site): Promise<number> {
  return fs.readdirSync(site.spam, { recursive: true }).filter((name) => /^\d+\/.*\/new\//.test(String(name))).length;
}

test('nothing is changed by GET, by a form without its token, or by one of another session', async (t) => {
  const site = await openSite(t);
  const mail = await keep(site, {});
  const anna = await new Client(site).login();
  const foreign = await (await new Client(site).login()).csrf();
  for (const target of ['/delete', '/release', '/marker/create', '/logout'])
    assert.equal(
      (await anna.get(`${target}?mail=${encodeURIComponent(mail)}&csrf=${await anna.csrf()}`)).status,
      404,
      target,
    );
  for (const csrf of ['', 'x', foreign]) assert.equal((await anna.post('/delete', { csrf, mail })).status, 403, csrf);
  assert.equal((await anna.post('/delete', { mail })).status, 403);
  assert.equal(await fileCount(site), 1);
  assert.deepEqual(site.delivered(), []);
});

const origins: readonly [what: string, headers: Record<string, string>, status: number][] = [
  ['the page itself', { Origin: 'ours', 'Sec-Fetch-Site': 'same-origin' }, 303],
  ['a program without either', {}, 303],
  ['another site', { Origin: 'https://evil.example' }, 403],
  ['a page without an origin', { Origin: 'null' }, 403],
  ['the same host on another port', { Origin: 'http://127.0.0.1:1' }, 403],
  ['another site, by Sec-Fetch-Site', { 'Sec-Fetch-Site': 'cross-site' }, 403],
  ['another port of the host, by Sec-Fetch-Site', { 'Sec-Fetch-Site': 'same-site' }, 403],
];

for (const [what, headers, status] of origins) {
  test(`a change that is asked for by ${what} is answered ${status}`, async (t) => {
    const site = await openSite(t);
    const mail = await keep(site, {});
    const anna = await new Client(site).login();
    const own = headers['Origin'] === 'ours' ? { ...headers, Origin: site.origin } : headers;
    assert.equal((await anna.post('/delete', { csrf: await anna.csrf(), mail }, own)).status, status);
    assert.equal(await fileCount(site), status === 303 ? 0 : 1);
  });
}

const hosts: readonly [host: string, isOurs: boolean][] = [
  ['127.0.0.1:PORT', true],
  ['localhost:PORT', true],
  ['localhost', true],
  ['mail.example.org', true],
  ['mail.example.org:8443', true],
  ['evil.example', false],
  ['127.0.0.1.evil.example:PORT', false],
  ['127.0.0.1:1', false],
  ['localhost:PORT@evil.example', false],
  ['[::ffff:127.0.0.1]:PORT', false],
];

test('a Host that is not ours is another site’s name pointed at us', async (t) => {
  const site = await openSite(t, ['web_hosts=mail.example.org']);
  for (const [host, isOurs] of hosts) {
    const { status } = await new Client(site).get('/login', { Host: host.replace('PORT', String(site.port)) });
    assert.ok(isOurs ? status === 200 : status === 421 || status === 400, `${host}: ${status}`);
  }
});

test('an id that a browser brings along is never made a session', async (t) => {
  const site = await openSite(t);
  const client = new Client(site);
  client.cookie = 'postern_session=chosen-by-an-attacker';
  const answer = await client.post('/login', { token: admin });
  const [cookie = ''] = answer.headers['set-cookie'] ?? [];
  assert.ok(!cookie.includes('chosen-by-an-attacker'));
  assert.match(cookie, /^postern_session=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict$/);
  const before = client.cookie;
  await client.post('/login', { token: admin });
  assert.notEqual(client.cookie, before);
});

const traversals = [
  '/mail/../../etc/passwd',
  '/mail/%2e%2e/%2e%2e/etc%2fpasswd',
  '/mail/1/..%2f..%2fetc/passwd',
  '/mail/1/example.com/..%2f..%2f..%2f..%2fetc%2fpasswd',
  '/mail/1/example.com/%00',
  '/mail/today/example.com/1.A_1.mx',
  '/mail/YDAY/example.com/:2,S',
  '/mail/YDAY/example.com/%5C1.A_1.mx',
  '/mail/today%2f..%2f..%2f/example.com/1.A_1.mx',
  '/mail/%2fetc/passwd/x',
  '/mail/1/example.com/1.A_1.mx%0d%0aX-Evil:%201',
  '/mail/%ff/%fe/%fd',
  '/assets/..%2f..%2fpackage.json',
  '/domains/..%2f..',
];

test('no path leads out of the quarantine', async (t) => {
  const site = await openSite(t);
  const [yday = ''] = (await keep(site, {})).split('/');
  fs.symlinkSync('/etc', path.join(site.spam, '1'));
  const anna = await new Client(site).login();
  for (const target of traversals) {
    for (const end of ['', '/raw', '/html']) {
      const { status, headers, body } = await anna.get(target.replace('YDAY', yday) + end);
      assert.ok([302, 404, 400].includes(status), `${target}${end}: ${status}`);
      assert.ok(!body.includes('root:') && headers['x-evil'] === undefined);
    }
  }
});

const badMarkers = [
  '../example.com/checks/spf',
  'example.com/../../../tmp/owned',
  'example.com/checks/../../x',
  'example.com/checks/..',
  'example.com/checks/',
  'example.com/other/x',
  'elsewhere.example/checks/spf',
  '_global_/users/valid/x',
  'example.com/whitelisted/senders/*',
  'example.com/users/valid/a/b',
  'example.com/users/valid/a\0b',
  'example.com/users/valid/a\nb',
];

test('no marker is made outside the lists of a hosted domain', async (t) => {
  const site = await openSite(t);
  const anna = await new Client(site).login();
  const csrf = await anna.csrf();
  const before = fs.readdirSync(site.root, { recursive: true }).length;
  for (const marker of badMarkers) await anna.post('/marker/create', { csrf, marker });
  assert.equal(fs.readdirSync(site.root, { recursive: true }).length, before);
});

test('a form’s way back leads to no other site', async (t) => {
  const site = await openSite(t);
  const anna = await new Client(site).login();
  const csrf = await anna.csrf();
  for (const back of [
    'https://evil.example/',
    '//evil.example',
    '/\\evil.example',
    '/x\r\nX-Evil: 1',
    'javascript:alert(1)',
  ])
    assert.equal((await anna.post('/delete', { csrf, mail: 'x', back })).headers.location, '/', back);
});

test('a download is the file, under a name of ours, and no browser shows it', async (t) => {
  const site = await openSite(t);
  const name = await keep(site, { subject: '"; filename=evil.exe\r\n' });
  const { headers, body } = await (await new Client(site).login()).get(`${pageOf(name)}/raw`);
  assert.match(headers['content-disposition'] ?? '', /^attachment; filename="W\d+\.eml"$/);
  assert.equal(headers['x-content-type-options'], 'nosniff');
  assert.equal(headers['content-type'], 'application/octet-stream');
  assert.match(policyOf({ headers }), /sandbox/);
  assert.match(body, /^Recipient: foo@example\.com\r\n/);
});

test('an attachment is saved by itself, as octets under a harmless name; its page and its domain are needed for that', async (t) => {
  const site = await openSite(t);
  const text =
    'Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n--b\r\nContent-Type: text/html\r\nContent-Disposition: attachment;' +
    " filename*=UTF-8''..%2F..%2Fa%0D%0AX-Evil%3A%201%E2%80%AElmth.html\r\n\r\n<script>1</script>\r\n--b--\r\n";
  const name = await keep(site, { text });
  const theirs = await keep(site, { text, domain: 'example.net' });
  const anna = await new Client(site).login();
  assert.ok((await anna.get(pageOf(name))).body.includes(`${pageOf(name)}/attachment/0"`));
  const { status, headers, body } = await anna.get(`${pageOf(name)}/attachment/0`);
  assert.deepEqual([status, body], [200, '<script>1</script>']);
  assert.deepEqual(
    [headers['content-type'], headers['x-content-type-options'], headers['x-evil']],
    ['application/octet-stream', 'nosniff', undefined],
  );
  assert.match(
    String(headers['content-disposition']),
    /^attachment; filename="W\d+-[\w .-]+\.html"; filename\*=UTF-8''[\w%.-]+$/,
  );
  assert.match(policyOf({ headers }), /^sandbox; default-src 'none'$/);
  for (const at of ['1', '9999', '-1', '0x0', '00000', ''])
    assert.equal((await anna.get(`${pageOf(name)}/attachment/${at}`)).status, 404, at);
  const bob = await new Client(site).login(ofExampleCom);
  assert.equal((await bob.get(`${pageOf(name)}/attachment/0`)).status, 200);
  assert.equal((await bob.get(`${pageOf(theirs)}/attachment/0`)).status, 404);
});

test('reversals of a mail are shown by number, escape sequences and other controls as question marks, in each of its views', async (t) => {
  const site = await openSite(t);
  const evil = 'a\u202eb\u2066c\u200bd\x1b[2Je\x07f\x9bg\u2028h\ufeffi';
  const encoded = `=?utf-8?B?${Buffer.from(evil).toString('base64')}?=`;
  const name = await keep(site, {
    subject: evil,
    helo: evil,
    reason: evil,
    text: `Subject: ${encoded}\r\nX-Evil: ${Buffer.from(evil).toString('latin1')}\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n${Buffer.from(evil).toString('base64')}\r\n--b\r\nContent-Type: x/x; name="${encoded}"\r\n\r\nx\r\n--b--\r\n`,
  });
  const anna = await new Client(site).login();
  for (const where of ['/', pageOf(name)]) {
    const { body } = await anna.get(where);
    assert.match(body, /a\[U\+202E\]b/);
    assert.doesNotMatch(body, /[\u202a-\u202e\u2066-\u2069\u200b\u2028\ufeff\0-\x08\x0b-\x1f\x7f-\x9f]/);
  }
});

test('no answer is kept by a browser or a proxy, framed by another site, or says where it came from', async (t) => {
  const site = await openSite(t);
  const name = await keep(site, {});
  const anna = await new Client(site).login();
  for (const where of ['/login', '/', pageOf(name), '/charts', '/nowhere', '/part/new']) {
    const { headers } = await anna.get(where);
    assert.deepEqual(
      [
        headers['cache-control'],
        headers['x-frame-options'],
        headers['referrer-policy'],
        headers['cross-origin-opener-policy'],
      ],
      ['no-store', 'DENY', 'same-origin', 'same-origin'],
      where,
    );
    assert.equal(headers['access-control-allow-origin'], undefined);
  }
});

test('behind TLS the cookie is for TLS alone', async (t) => {
  const site = await openSite(t);
  const { headers } = await new Client(site).post('/login', { token: admin }, { 'X-Forwarded-Proto': 'https' });
  assert.match(String(headers['set-cookie']), /; Secure/);
});

test('one form acts on five hundred mails and no more', async (t) => {
  const site = await openSite(t);
  const [day = ''] = (await keep(site, {})).split('/');
  const anna = await new Client(site).login();
  const mail = Array.from({ length: 600 }, (_, i) => `${day}/example.com/1.A_${i}.mx`);
  await anna.post('/release', { csrf: await anna.csrf(), mail });
  assert.match((await anna.get('/')).body, /A is gone; .* … and 495 more/);
});

test('every page forbids foreign scripts and frames; a mail’s HTML everything', async (t) => {
  const site = await openSite(t);
  const name = await keep(site, { text: 'Content-Type: text/html\r\n\r\n<p>x</p>\r\n' });
  const anna = await new Client(site).login();
  const page = await anna.get(pageOf(name));
  assert.match(policyOf(page), /^default-src 'none'; script-src 'self';.*frame-ancestors 'none'$/);
  const frame = await anna.get(`${pageOf(name)}/html`);
  assert.match(
    policyOf(frame),
    /^sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'; form-action 'none'/,
  );
  assert.match(page.body, /<iframe\s+sandbox=""/);
});

test('a mail that is gone is told, not an error', async (t) => {
  const site = await openSite(t);
  const name = await keep(site, { subject: 'vanished' });
  fs.rmSync(path.join(site.spam, name.replace(/\/([^/]+)$/, '/new/$1')));
  const anna = await new Client(site).login();
  const { status, body } = await anna.get(pageOf(name));
  assert.equal(status, 200);
  assert.match(body, /The mail itself is gone/);
  await anna.post('/release', { csrf: await anna.csrf(), mail: name });
  assert.match((await anna.get('/')).body, /is gone/);
});
