/**
 * Whoever sees little, or uses no mouse, can use the page: axe-core finds nothing against WCAG 2.2 AA on any page,
 * light or dark, wide or narrow; and a mail is found, read, released and left again by keys alone.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { test } from 'node:test';
import type { AxeResults } from 'axe-core';
import type { Locator } from 'playwright-core';
import { type JournalLine, journalVerdicts } from '../../src/journal/line.js';
import { newId } from '../../src/smtp/transaction-id.js';
import { relayed, writerIn } from '../journal/support.js';
import { addressOf, openBrowser } from './browser.js';
import { keep, type Site } from './support.js';

const axe = fs.readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Within the frame of a mail's HTML it is the mail's to be readable. */
const asked = `axe.run({ exclude: ['iframe'] }, { iframes: false, runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] })`;

/** A line of each verdict; returns an ID. */
function writeJournal({ root }: Site): string {
  const id = newId();
  const writer = writerIn(path.join(root, 'state/journal'));
  const time = new Date().toISOString();
  for (const verdict of journalVerdicts)
    writer.write({ ...relayed, time, id, verdict, from: '' } satisfies JournalLine);
  writer.close();
  return id;
}

const looks = [
  { colorScheme: 'light', width: 1180 },
  { colorScheme: 'dark', width: 1180 },
  { colorScheme: 'light', width: 390 },
] as const;

test('axe finds nothing against WCAG 2.2 AA on any page', { timeout: 600_000 }, async (t) => {
  const opened = await openBrowser(t);
  if (!opened) return;
  const { site, page } = opened;
  const name = await keep(site, {
    reason: 'SPF fail: x does not permit y',
    spf: 'fail',
    text: 'Subject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>x</p>\r\n--b\r\nContent-Type: application/zip; name=x.zip\r\n\r\nx\r\n--b--\r\n',
  });
  for (const marker of ['checks/all', 'checks/spf', 'users/valid/alice']) {
    fs.mkdirSync(path.join(site.srv, 'example.com', path.dirname(marker)), { recursive: true });
    fs.writeFileSync(path.join(site.srv, 'example.com', marker), '');
  }
  for (let i = 0; i < 3; i++) await keep(site, { from: i === 0 ? '' : 'x@example.net' });
  const told = writeJournal(site);
  const mail = addressOf(site, name).slice(site.origin.length);
  const places = [
    '/',
    '/?q=form:x',
    '/?q=zebra',
    mail,
    `${mail}/spf`,
    '/charts',
    '/charts/all',
    '/domains',
    '/domains/example.com',
    '/domains/_global_',
    '/audit',
    '/audit?q=nothing',
    '/journal',
    '/journal?q=zebra',
    `/journal/${told}`,
  ];
  const check = async (what: string): Promise<void> => {
    for (const { colorScheme, width } of looks) {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width, height: 800 });
      const { violations, passes } = await page.evaluate<AxeResults>(asked);
      const found = violations.flatMap(({ id, help, nodes }) =>
        nodes.map(({ html, failureSummary }) => `${id}: ${help}\n${html}\n${failureSummary}`),
      );
      const where = `${what}, ${colorScheme}, ${width} pixels`;
      assert.deepEqual(found, [], where);
      assert.ok(
        passes.some(({ id }) => id === 'color-contrast'),
        `${where}: nothing was looked at`,
      );
    }
  };
  for (const where of places)
    await t.test(where, async () => {
      await page.goto(site.origin + where);
      await page.waitForLoadState('networkidle');
      await page.evaluate(axe);
      for (const details of await page.locator('details').all()) {
        await details.evaluate((one) => ((one as unknown as { open: boolean }).open = true));
        if ((await details.getAttribute('name')) !== null) await check(await details.locator('summary').innerText());
      }
      await check('all open');
    });
  await t.test('help', async () => {
    await page.goto(site.origin);
    await page.locator('#all').focus();
    await page.keyboard.press('?');
    await page.evaluate(axe);
    await check('help');
  });
  await t.test('/login', async () => {
    await page.context().clearCookies();
    await page.goto(`${site.origin}/login`);
    await page.evaluate(axe);
    await check('login');
  });
});

test(
  'by keys alone: from the list to a mail, the next one, released, deleted, and back to where one was',
  { timeout: 120_000 },
  async (t) => {
    const opened = await openBrowser(t);
    if (!opened) return;
    const { site, page } = opened;
    for (const subject of ['one', 'two', 'three', 'four']) await keep(site, { subject, from: 'x@sender.example' });
    await keep(site, { subject: 'other', from: 'y@elsewhere.example' });
    page.on('dialog', (dialog) => void dialog.accept());
    /** With the page's script, which keys need. */
    const shown = async (what: Locator): Promise<void> => {
      await what.waitFor();
      await page.waitForLoadState();
    };
    const focus = (): Promise<string> =>
      page.evaluate<string>(
        'document.activeElement.closest("li")?.querySelector(".subject").textContent ?? document.activeElement.id',
      );
    await page.goto(site.origin);
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    assert.equal(await focus(), 'main', 'the first thing that Tab reaches leads to the content');
    await page.keyboard.press('/');
    await page.keyboard.type('from:x@sender.example');
    await page.keyboard.press('Enter');
    await page.waitForURL(/\?q=/);
    const list = page.url();
    await page.keyboard.press('j');
    await page.keyboard.press('j');
    assert.equal(await focus(), 'three');
    const ring = await page.evaluate<string>('getComputedStyle(document.activeElement).outlineStyle');
    assert.equal(ring, 'solid', 'the focus is to be seen');
    await page.keyboard.press('Enter');
    await shown(page.getByRole('heading', { name: 'three' }));
    await page.keyboard.press('j');
    await shown(page.getByRole('heading', { name: 'two' }));
    await page.keyboard.press('r');
    await shown(page.getByText('released: '));
    assert.match(site.delivered().join(), /Subject: two/);
    await page.keyboard.press('k');
    await shown(page.getByRole('heading', { name: 'three' }));
    await page.keyboard.press('j');
    await shown(page.getByRole('heading', { name: 'two' }));
    await page.keyboard.press('u');
    await page.waitForURL(list);
    assert.equal(await focus(), 'two');
    await page.keyboard.press('o');
    await shown(page.getByRole('heading', { name: 'two' }));
    await page.keyboard.press('#');
    await page.waitForURL(list);
    await page.getByText('Deleted one mail').waitFor();
    assert.equal(await focus(), 'one', 'the one that took its place');
    await page.keyboard.press('?');
    await page.getByRole('dialog', { name: 'Keys' }).waitFor();
    await page.keyboard.press('Escape');
    assert.equal(await page.getByRole('dialog').count(), 0);
  },
);

test('on paper there are the mails and no buttons', { timeout: 120_000 }, async (t) => {
  const opened = await openBrowser(t);
  if (!opened) return;
  const { site, page } = opened;
  const name = await keep(site, { subject: 'one' });
  for (const where of [site.origin, addressOf(site, name)]) {
    await page.goto(where);
    await page.emulateMedia({ media: 'print' });
    assert.ok(await page.getByText('one', { exact: true }).first().isVisible());
    for (const button of await page.locator('button, input, nav').all())
      assert.ok(!(await button.isVisible()), await button.innerText());
    await page.emulateMedia({ media: 'screen' });
    assert.ok(await page.getByRole('button', { name: 'Release', exact: true }).isVisible());
  }
});
