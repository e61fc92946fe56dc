/**
 * Pictures of the quarantine page, for the README and for whoever changes its looks: fills a quarantine with mails like
 * those one sees, and photographs it in Chromium. Run: npm run screenshots [FOLDER] (needs Debian's chromium)
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { simpleParser } from 'mailparser';
import { chromium, type Browser, type BrowserContextOptions } from 'playwright-core';
import { composeDigest } from '../../src/digest/compose.js';
import { Links } from '../../src/digest/links.js';
import { dispositionOf } from '../../src/quarantine/look/disposition.js';
import { parseRef } from '../../src/quarantine/disk/mail-ref.js';
import { admin, Client, keep, ofExampleCom, openSite, type Site } from './support.js';

const folder = process.argv[2] ?? 'var/screenshots';

const senders = [
  'newsletter@shop-deals.example',
  'billing@paypa1.example',
  'anna.schmidt@partner.example',
  'no-reply@parcel-track.example',
  'ceo@your-company.example',
  'win@lottery-intl.example',
  '',
  'hr@jobs-abroad.example',
  'info@crypto-gains.example',
];
const subjects = [
  'Your parcel could not be delivered',
  'Invoice 2026-11-4711 attached',
  'Re: Meeting on Thursday',
  'Bitte bestätigen Sie Ihr Konto',
  'You have won 1,000,000 EUR',
  'Urgent wire transfer',
  'Undelivered Mail Returned to Sender',
  'Work from home: 5,000 a week',
  'Ihre Rechnung für November',
  'Sonderangebot: 50 % auf alles',
  'Password expires today',
];
const reasons: readonly (readonly [plugin: string, reason: string, spf?: string])[] = [
  ['spf', 'SPF fail: partner.example does not permit 203.0.113.9 to send its mail by -all', 'fail'],
  ['valid_users', 'No such user', 'pass'],
  ['helo', 'HELO name is not fully qualified', 'none'],
  ['blacklist', 'Blacklisted', 'softfail'],
  ['rdns', 'No reverse name for your address', 'none'],
  ['date', 'Missing header - Date:', 'neutral'],
  ['valid_users', 'No such user', 'none'],
];
const users = ['alice', 'bob', 'carol', 'info', 'sales', 'nobody'];

const html = `<div style="font-family:sans-serif;max-width:560px;margin:auto"><h2 style="background:#23427a;color:#fff;padding:16px">Parcel service</h2><p>Dear customer,</p><p>your parcel <b>DE-4471-9912</b> could not be delivered. Please pay the customs fee of <b>1.99 EUR</b>.</p><p><a href="https://evil.example/pay" style="background:#d33;color:#fff;padding:10px 18px;text-decoration:none">Pay now</a></p><img src="https://evil.example/pixel.gif" width="1" height="1"><script>document.title='owned'</script></div>`;

/** What the last mail's SPF is asked of. */
const zone = {
  'parcel-track.example': {
    TXT: [['v=spf1 mx include:_spf.hosting.example ip4:192.0.2.0/25 -all']],
    MX: [[10, 'mx.parcel-track.example']],
  },
  'mx.parcel-track.example': { A: ['192.0.2.25'] },
  '_spf.hosting.example': { TXT: [['v=spf1 ip4:198.51.100.0/24 ip6:2001:db8:51::/48 ~all']] },
};

async function main(): Promise<void> {
  fs.mkdirSync(folder, { recursive: true });
  const closers: (() => unknown)[] = [];
  const zoneFile = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'postern-zone-')), 'zone.json');
  fs.writeFileSync(zoneFile, JSON.stringify(zone));
  const state = path.dirname(zoneFile);
  closers.push(() => fs.rmSync(state, { recursive: true }));
  const site = await openSite({ after: (close) => void closers.push(close as () => unknown) }, [
    `dns_zone=${zoneFile}`,
    `state=${state}`,
    'digest_url=https://mail.example.com',
  ]);
  for (const marker of [
    'checks/spf',
    'checks/helo',
    'checks/all',
    'users/valid/alice',
    'users/valid/bob',
    'users/valid/info',
    'blacklisted/senders/offers@spam.example',
    'whitelisted/domains/partner.example',
  ]) {
    fs.mkdirSync(path.join(site.srv, 'example.com', path.dirname(marker)), { recursive: true });
    fs.writeFileSync(path.join(site.srv, 'example.com', marker), '');
  }
  let [name, released] = ['', ''];
  for (let i = 360; i >= 0; i--) {
    const time = new Date(Date.now() - (i * 3_600_000 * (1 + Math.sin(i / 9) ** 2)) / 2.2);
    const [plugin, reason, spf] = reasons[(i * 5 + (i % 11)) % reasons.length] ?? ['spf', ''];
    const from = senders[(i * 7 + 3) % senders.length] ?? '';
    const subject = subjects[(i * 3 + (i % 5)) % subjects.length] ?? '';
    const domain = i % 4 === 0 ? 'example.net' : 'example.com';
    const last = i === 0;
    const text = `From: "Parcel service" <${from}>\r\nTo: alice@example.com\r\nSubject: ${subject}\r\nDate: ${time.toUTCString()}\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: multipart/alternative; boundary=c\r\n\r\n--c\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nDear customer,\r\n\r\nyour parcel DE-4471-9912 could not be delivered.\r\nPlease pay the customs fee of 1.99 EUR:\r\n\r\n    https://evil.example/pay\r\n\r\nKind regards\r\n--c\r\nContent-Type: text/html; charset=utf-8\r\n\r\n${html}\r\n--c--\r\n--b\r\nContent-Type: application/zip\r\nContent-Disposition: attachment; filename="label.pdf.zip"\r\nContent-Transfer-Encoding: base64\r\n\r\nUEsDBA==\r\n--b--\r\n`;
    released = name;
    name = await keep(site, {
      time,
      plugin: last ? 'spf' : plugin,
      reason: last ? 'SPF fail: parcel-track.example does not permit 203.0.113.9 to send its mail by -all' : reason,
      reply: last
        ? '550 5.7.23 SPF fail: parcel-track.example does not permit 203.0.113.9 (6AD976HBEEVN63)'
        : `550 5.7.1 ${reason}`,
      spf: last ? 'fail' : (spf ?? 'none'),
      ...(last && { zone }),
      from: last ? 'no-reply@parcel-track.example' : from,
      ...(i % 5 === 0 && { headerFrom: `Parcel service <service@parcel${i % 3}.example>` }),
      subject: last ? 'Your parcel could not be delivered' : subject,
      ip: `203.0.113.${(i % 40) + 9}`,
      host: i % 3 ? `mail${i % 7}.hosting.example` : '',
      helo: `mail${i % 7}.hosting.example`,
      domain,
      recipient: `${users[(i * 5) % users.length]}@${domain}`,
      text: last ? text : `Subject: ${subject}\r\n\r\n${'x'.repeat((i * 7919) % 60_000)}\r\n`,
    });
  }
  await changes(site, released);
  const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
  try {
    const mail = `/mail/${name.split('/').map(encodeURIComponent).join('/')}`;
    const desk = { viewport: { width: 1180, height: 760 } };
    const phone = { viewport: { width: 390, height: 780 }, deviceScaleFactor: 2, isMobile: true };
    const dark = { ...desk, colorScheme: 'dark' } as const;
    await shoot(browser, desk, site.origin, '/', 'list');
    await shoot(browser, { viewport: { width: 1180, height: 800 } }, site.origin, mail, 'message');
    await shoot(browser, desk, site.origin, `${mail}/spf`, 'spf');
    await shoot(browser, desk, site.origin, '/charts', 'charts');
    await shoot(browser, desk, site.origin, '/domains/example.com', 'domain');
    await shoot(
      browser,
      { viewport: { width: 1180, height: 2000 } },
      site.origin,
      '/domains/example.com',
      'domain-long',
    );
    await shoot(browser, phone, site.origin, '/domains/example.com', 'phone-domain');
    await shoot(browser, desk, site.origin, '/audit', 'audit');
    await shoot(browser, phone, site.origin, '/audit', 'phone-audit');
    await shoot(browser, dark, site.origin, '/audit', 'dark-audit');
    await shoot(browser, desk, site.origin, '/domains', 'domains');
    await shoot(browser, desk, site.origin, '/?q=zebra', 'nothing');
    await shoot(browser, desk, site.origin, '/?q=form:x', 'wrong-search');
    await shoot(browser, phone, site.origin, '/nowhere', 'phone-problem');
    await shoot(browser, dark, site.origin, mail, 'dark-message');
    await shoot(browser, phone, site.origin, '/', 'phone');
    await shoot(browser, phone, site.origin, mail, 'phone-message');
    const ref = parseRef(name);
    const entry = ref && dispositionOf(site.spam, ref).entry;
    if (!ref || !entry) throw new Error('the mail is not there');
    const expires = new Date(Date.now() + 604_800_000);
    const asks = `/digest/${new Links(state).make({ ref, expires: expires.getTime() })}`;
    await shoot(browser, desk, site.origin, asks, 'digest');
    await shoot(browser, { ...phone, colorScheme: 'dark' }, site.origin, asks, 'phone-digest');
    const ended = `/digest/${new Links(state).make({ ref, expires: Date.now() - 1 })}`;
    await shoot(browser, phone, site.origin, ended, 'phone-digest-ended');
    const digest = { domain: 'example.net', hostname: 'mx', day: '2026-11-24', mails: 3, expires };
    const rows = ['SPF fail: x', 'No such user', 'Blacklisted'].map((reason) => ({
      entry: { ...entry, reason },
      link: asks,
    }));
    const { html: mailed } = await simpleParser(await composeDigest({ ...digest, rows }));
    const reader = await browser.newPage({ viewport: { width: 900, height: 600 } });
    await reader.setContent(String(mailed));
    await reader.screenshot({ path: path.join(folder, 'digest-mail.png') });
    await shoot(browser, dark, site.origin, '/', 'dark');
    await shoot(browser, dark, site.origin, '/charts', 'dark-charts');
  } finally {
    await browser.close();
    for (const close of closers) await close();
  }
}

/** What the audit is to show. */
async function changes(site: Site, mail: string): Promise<void> {
  const anna = await new Client(site).login();
  const csrf = await anna.csrf();
  const back = '/domains/example.com';
  await anna.post('/release', { csrf, mail });
  for (const marker of ['example.com/blacklisted/ips/192.0.2.0_24', 'example.com/users/invalid/nobody'])
    await anna.post('/marker/create', { csrf, marker });
  await anna.post('/marker/remove', { csrf, marker: 'example.com/checks/helo' });
  const bob = await new Client(site).login(ofExampleCom);
  const text = '# agreed on with the customer\nbl.example.org\nzen.lists.example=127.0.0.2,127.0.0.4/30\n';
  await bob.post('/zones', { csrf: await bob.csrf(), domain: 'example.com', list: 'zones', text });
  await bob.post('/login', { token: 'wrong' });
  await anna.post('/marker/create', { csrf, marker: 'example.com/blacklisted/ips/', key: '198.51.100.0/24', back });
}

async function shoot(
  browser: Browser,
  options: BrowserContextOptions,
  origin: string,
  where: string,
  name: string,
): Promise<void> {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  await page.goto(`${origin}/login#token=${admin}`);
  await page.waitForURL(`${origin}/`);
  await page.goto(origin + where);
  await page.waitForLoadState('networkidle');
  await page.waitForTimeout(400);
  // The folders are where they usually are: at the root.
  for (const code of await page.locator('code').all())
    await code.evaluate((one) => (one.textContent = (one.textContent ?? '').replace(/^\S*(?=\/(?:spam|srv)\/)/, '')));
  await page.screenshot({ path: path.join(folder, `${name}.png`) });
  await context.close();
}

await main();
