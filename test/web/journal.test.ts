/** The tab All mail: what a token may see, hostile octets in rows and stories, filters, new lines, tables. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import type { JournalLine } from '../../src/journal/line.js';
import { newId } from '../../src/smtp/transaction-id.js';
import { deferred, relayed, writerIn } from '../journal/support.js';
import { openBrowser } from './browser.js';
import { Client, keep, ofExampleCom, openSite, type Site } from './support.js';

/** Writes lines, the oldest first, and returns their IDs. */
function write(site: Pick<Site, 'root'>, ...lines: readonly JournalLine[]): readonly string[] {
  let now = Date.now() - lines.length * 60_000;
  const writer = writerIn(path.join(site.root, 'state/journal'), { now: () => now });
  const ids = lines.map((line) => {
    const id = line.id === relayed.id ? newId(now) : line.id;
    writer.write({ ...line, id, time: new Date(now).toISOString() });
    writer.flush();
    now += 60_000;
    return id ?? '';
  });
  writer.close();
  return ids;
}

const toNet = { domain: 'example.net', to: [{ address: 'bob@example.net', reply: '250 2.1.5 Ok' }] };
const away: JournalLine = {
  time: '',
  verdict: 'turned away',
  stage: 'connect',
  ip: '198.51.100.7',
  plugin: 'limits',
  reason: 'Too many connections',
  reply: '421 4.7.0 No',
};

async function filled(
  t: TestContext,
): Promise<{ readonly at: Site; readonly ids: readonly string[]; readonly anna: Client }> {
  const at = await openSite(t);
  const to = [...toNet.to, ...(relayed.to ?? [])];
  const both: JournalLine = { ...relayed, domain: 'example.net', to, subject: 'both', filename: 'theirs.mx' };
  const ids = write(at, { ...relayed, ...toNet, subject: 'theirs' }, deferred, relayed, both, away);
  return { at, ids, anna: await new Client(at).login() };
}

const rowsOf = (body: string): readonly string[] =>
  [...body.matchAll(/<li>(.*?)<\/li>/gs)].map(([, row = '']) =>
    row
      .replace(/<[^>]*>/g, ' ')
      .replace(/\s+/g, ' ')
      .trim(),
  );

test('the list: what became of each mail, newest first', async (t) => {
  const { anna } = await filled(t);
  const { body } = await anna.get('/journal');
  const rows = rowsOf(body);
  assert.equal(rows.length, 5);
  assert.match(rows[0] ?? '', /turned away 198\.51\.100\.7 .*limits: Too many connections/);
  assert.match(
    rows[2] ?? '',
    /relayed Anna <?.*alice@example\.com Angebot 2nd try, 1 min after the first; queued as 4WxY at 127\.0\.0\.1:10025 48 kB/,
  );
  assert.match(rows[1] ?? '', /bob@example\.net \+1 both/);
});

test('a token for one domain sees mail to its recipients, and no other recipient of it', async (t) => {
  const { at, ids, anna } = await filled(t);
  const bob = await new Client(at).login(ofExampleCom);
  const { body } = await bob.get('/journal');
  assert.equal(rowsOf(body).length, 3);
  assert.ok(body.includes('both') && !body.includes('theirs') && !body.includes('bob@example.net'));
  for (const where of ['/journal.csv', '/journal.json', '/part/journal', '/journal?q=bob@example.net']) {
    const answer = await bob.get(where);
    assert.equal(answer.status, 200);
    assert.ok(
      !answer.body.includes('<span class="to" title="bob@example.net') && !answer.body.includes('theirs'),
      where,
    );
  }
  for (const word of ['to:bob@example.net', 'domain:example.net', 'bob'])
    assert.deepEqual(rowsOf(await bob.search(`/journal?q=${word}`)), [], word);
  assert.equal(rowsOf(await bob.search('/journal?q=domain:example.com')).length, 3);
  assert.doesNotMatch((await bob.get('/journal.json')).body, /example\.net|filename/);
  assert.equal((await bob.get(`/journal/${ids[0]}`)).status, 404);
  const story = await bob.get(`/journal/${ids[3]}`);
  assert.equal(story.status, 200);
  assert.ok(!story.body.includes('example.net'));
  assert.ok((await anna.get(`/journal/${ids[3]}`)).body.includes('bob@example.net'));
  assert.equal((await new Client(at).get('/journal')).status, 302);
  assert.equal((await new Client(at).get('/journal.csv')).status, 302);
});

test('a row opens the story over all tries, with buttons for the lists of its domain', async (t) => {
  const { anna, ids, at } = await filled(t);
  const { body } = await anna.get(`/journal/${ids[2]}`);
  const text = body
    .replace(/<[^>]*>/g, '')
    .replaceAll('&#39;', "'")
    .replace(/\n +/g, '\n');
  assert.match(text, /try 1 .*deferred\nwhy {5}greylisting\nreply {3}450 4\.7\.1[^]*try 2 .*relayed\n/);
  assert.match(text, /next {8}4WxY in your MTA's log/);
  assert.ok(body.includes('value="example.com/blacklisted/senders/anna@sender.example"'));
  const csrf = await anna.csrf();
  const marker = 'example.com/blacklisted/senders/anna@sender.example';
  const done = await anna.post('/marker/create', { csrf, marker, back: `/journal/${ids[2]}` });
  assert.equal(done.headers.location, `/journal/${ids[2]}`);
  assert.ok((await anna.get(`/journal/${ids[2]}`)).body.includes('/marker/remove'));
  assert.ok(at.srv !== '');
  assert.equal((await anna.get('/journal/NOTHING')).status, 404);
});

test('a rejected mail can be released from its story', async (t) => {
  const at = await openSite(t);
  const name = await keep(at, { subject: 'kept' });
  const [, , filename = ''] = name.split('/');
  const [id] = write(at, { ...relayed, verdict: 'rejected', plugin: 'spf', reason: 'no', filename, ms: 0 });
  const anna = await new Client(at).login();
  const { body } = await anna.get(`/journal/${id}`);
  assert.ok(body.includes(`name="mail" value="${name}"`), body);
  await anna.post('/release', { csrf: await anna.csrf(), mail: name, back: `/journal/${id}` });
  assert.equal(at.delivered().length, 1);
});

test('searches, filters that become terms of the search, pages, new lines, tables', async (t) => {
  const { at, anna } = await filled(t);
  const count = async (where: string): Promise<number> => rowsOf((await anna.get(where)).body).length;
  assert.equal(await count('/journal?q=verdict:relayed'), 3);
  assert.equal(await count('/journal?q=anna%40sender.example+to:bob'), 2);
  assert.match((await anna.get('/journal?q=form:x')).body, /role="alert">there is no key form:/);
  const filter = await anna.get(
    '/journal?q=angebot+plugin:spf&after=2026-11-28&before=&domain=example.com&plugin=dnsbl',
  );
  const to = new URLSearchParams(filter.headers.location?.split('?')[1]);
  assert.equal(to.get('q'), 'angebot after:2026-11-28 domain:example.com plugin:dnsbl');
  const first = /data-first="([^"]+)"/.exec((await anna.get('/journal')).body)?.[1] ?? '';
  write(at, { ...relayed, subject: 'fresh' });
  const part = JSON.parse((await anna.get(`/part/journal?until=${encodeURIComponent(first)}`)).body) as {
    count: number;
    rows: string;
  };
  assert.equal(part.count, 1);
  assert.ok(part.rows.includes('fresh'));
  const csv = await anna.get('/journal.csv?q=verdict:relayed');
  assert.equal(csv.headers['content-disposition'], 'attachment; filename="journal.csv"');
  assert.equal(csv.body.trim().split('\r\n').length, 5);
  assert.equal((await anna.get('/journal.json')).body.trim().split('\n').length, 6);
  write(at, ...Array.from({ length: 60 }, (_, i) => ({ ...relayed, subject: `lots ${i}` })));
  const page = await anna.get('/journal?q=lots');
  assert.equal(rowsOf(page.body).length, 50);
  const next = /href="([^"]+)"\s+id="next"/.exec(page.body)?.[1]?.replaceAll('&amp;', '&') ?? '';
  assert.equal(rowsOf((await anna.get(next)).body).length, 10);
});

test('hostile octets are text in rows, stories and tables', async (t) => {
  const at = await openSite(t);
  const octets = '"><script>top.owned=1</script><img src=x onerror=top.owned=1>\u202e\u001b[31m';
  const everywhere = [
    'from',
    'header_from',
    'subject',
    'helo',
    'host',
    'reason',
    'plugin',
    'reply',
    'queue',
    'message-id',
  ];
  const [id] = write(at, {
    ...relayed,
    ...Object.fromEntries([...everywhere, 'destination', 'filename'].map((key) => [key, octets])),
    verdict: 'rejected',
    to: [{ address: `${octets}@example.com`, reply: octets, queue: octets }],
    said: [[octets, 'reject', octets]],
  });
  const anna = await new Client(at).login();
  for (const where of ['/journal', `/journal/${id}`, '/part/journal', '/journal.csv', '/journal.json']) {
    const { body, status } = await anna.get(where);
    assert.equal(status, 200);
    if (!where.includes('.')) assert.doesNotMatch(body, /<script>top|<img src=x/, where);
    // What a button sends is as it is; what is shown is not.
    assert.doesNotMatch(body.replace(/ value="[^"]*"/g, ''), /[\u202e\u001b]/, where);
  }
});

test('in a browser: new lines come in by themselves, a row is opened by keys', { timeout: 120_000 }, async (t) => {
  const opened = await openBrowser(t);
  if (!opened) return;
  const { site: at, page } = opened;
  write(at, relayed);
  await page.goto(at.origin);
  await page.getByRole('link', { name: 'All mail' }).click();
  await page.getByText('queued as 4WxY').waitFor();
  write(at, { ...relayed, subject: 'fresh' });
  await page.getByText('fresh', { exact: true }).waitFor();
  await page.keyboard.press('j');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'fresh' }).waitFor();
  await page.getByText('84 ms in all').waitFor();
  await page.keyboard.press('u');
  await page.getByRole('heading', { name: 'All mail' }).waitFor();
});
