/** Charts of all mail: what a token may see, which day, and what a journal's hostile octets become. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import type { JournalLine } from '../../src/journal/line.js';
import { relayed, writerIn } from '../journal/support.js';
import { openBrowser } from './browser.js';
import { Client, ofExampleCom, openSite, type Site } from './support.js';

const dayMs = 86_400_000;
const theirs = { domain: 'example.net', from: 'boss@secret.example' } as const;
const nasty = { verdict: 'rejected', plugin: '<img src=x>', from: 'x@"><script>.example' } as const;

function write(site: Pick<Site, 'root'>, daysAgo: number, ...lines: readonly Partial<JournalLine>[]): string {
  const at = new Date(Date.now() - daysAgo * dayMs);
  const writer = writerIn(path.join(site.root, 'state/journal'), { now: () => at.getTime() });
  for (const line of lines) writer.write({ ...relayed, time: at.toISOString(), ...line });
  writer.close();
  const two = (number: number): string => `${number}`.padStart(2, '0');
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
}

test('all mail of two weeks by day, of a day by hour; each column leads on', async (t) => {
  const at = await openSite(t);
  const day = write(at, 2, {}, {}, { verdict: 'deferred', plugin: 'greylisting' }, nasty);
  write(at, 0, {}, theirs);
  const anna = await new Client(at).login();
  const { body } = await anna.get('/charts/all');
  assert.match(body, /<h1>6 mails in 14 days<\/h1>/);
  assert.match(body, /4 relayed, 1 deferred, 1 rejected/);
  assert.match(
    body,
    new RegExp(`href="/charts/all\\?day=${day}"\\s+aria-label="${day}: 2 relayed, 1 deferred, 1 rejected"`),
  );
  assert.ok(!body.includes('<img src=x>') && !body.includes('<script>.example'));
  const hours = (await anna.get(`/charts/all?day=${day}`)).body;
  assert.match(hours, new RegExp(`<h1>4 mails on ${day}</h1>`));
  assert.match(hours, new RegExp(`aria-label="${day} \\d\\d:00: 2 relayed, 1 deferred, 1 rejected"`));
  assert.match((await anna.get('/charts/all?by=hour')).body, /<h1>2 mails in 24 hours<\/h1>/);
  for (const odd of ['day=2026-13-45', 'day=2026-02-31', 'day=../..', 'by=x', 'day=%00'])
    assert.match((await anna.get(`/charts/all?${odd}`)).body, /in 14 days/);
});

test('a domain’s admin sees the mail of his domains alone, and the charts say nothing of others', async (t) => {
  const at = await openSite(t);
  write(at, 1, {}, theirs, { verdict: 'turned away', domain: '', ip: '198.51.100.99', plugin: 'limits' });
  const { body } = await (await new Client(at).login(ofExampleCom)).get('/charts/all');
  assert.match(body, /<h1>1 mail in 14 days<\/h1>/);
  for (const other of ['secret.example', 'example.net', '198.51.100.99', 'limits', 'turned away'])
    assert.ok(!body.includes(other), other);
});

test('a journal without mail is said so', async (t) => {
  const at = await openSite(t);
  const { body } = await (await new Client(at).login()).get('/charts/all');
  assert.match(body, /The journal has none of that time\./);
});

test('in a browser the columns are there, on a phone too, and lead to their day', async (t) => {
  const opened = await openBrowser(t);
  if (!opened) return;
  const { site: at, page } = opened;
  await page.setViewportSize({ width: 390, height: 800 });
  const day = write(at, 3, {}, nasty);
  await page.goto(`${at.origin}/charts`);
  await page.locator('.views').getByRole('link', { name: 'All mail' }).click();
  await page.waitForURL(`${at.origin}/charts/all`);
  assert.equal(
    await page.evaluate('document.documentElement.scrollWidth <= window.innerWidth'),
    true,
    'nothing sticks out',
  );
  await page.locator(`svg a[href="/charts/all?day=${day}"]`).click();
  await page.waitForURL(`${at.origin}/charts/all?day=${day}`);
  assert.equal(await page.locator('h1').textContent(), `2 mails on ${day}`);
});
