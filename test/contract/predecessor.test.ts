/**
 * Mails as they were played on ms-lite, which is qpsmtpd with the tree of marker files that ours is made after: what
 * postern answers, and where the original answered otherwise, why.
 */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { packageRoot } from '../../src/cli/package-root.js';
import type { Mx } from '../support/mx.js';
import { fateOf, type Mail, startMx } from './support.js';

const checks = ['helo', 'date', 'spf', 'sender', 'rdns', 'rdns4', 'rdns6', 'address', 'mailers', 'mailman'];
const contentChecks = ['empty_body', 'dkim', 'greylisting'];

const inDomains = (names: Readonly<Record<string, readonly string[]>>): string[] =>
  Object.entries(names).flatMap(([domain, markers]) => markers.map((marker) => `${domain}/${marker}`));

const black = (entry: string): string => `blacklisted/${entry}`;
const white = (entry: string): string => `whitelisted/${entry}`;

const zone = {
  'mail.sender.example': { A: ['192.0.2.25'] },
  '25.2.0.192.in-addr.arpa': { PTR: ['mail.sender.example'] },
  'sender.example': { TXT: ['v=spf1 ip4:192.0.2.0/24 -all'] },
  'soft.example': { TXT: ['v=spf1 ~all'] },
  'broken.example': { TXT: ['v=spf1 foo:bar -all'] },
  'two.example': { TXT: ['v=spf1 -all', 'v=spf1 +all'] },
  'good.example': { TXT: ['v=spf1 -all'] },
  'evil.example': { A: ['192.0.2.99'] },
  'iki.fi': { A: ['192.0.2.98'] },
  'mail.iki.fi': { A: ['203.0.113.30'] },
  '30.113.0.203.in-addr.arpa': { PTR: ['mail.iki.fi'] },
  'hosted-by.bad.example': { A: ['203.0.113.40'] },
  '40.113.0.203.in-addr.arpa': { PTR: ['hosted-by.bad.example'] },
  '41.113.0.203.in-addr.arpa': { PTR: ['hosted-by.bad.example'] },
  '42.113.0.203.in-addr.arpa': { PTR: ['a.b.co.ph'] },
  '43.113.0.203.in-addr.arpa': { PTR: ['a.b.xx'] },
  '9.113.0.203.in-addr.arpa': { PTR: ['mx.other.example'] },
  '50.113.0.203.bl.example': { A: ['127.0.0.2'] },
  '51.113.0.203.bl2.example': { A: ['127.0.0.4'] },
  '52.113.0.203.bl.example': { A: ['127.255.255.254'] },
  '53.113.0.203.bl.example': { A: ['10.0.0.1'] },
  'gmail.com': { TXT: ['v=spf1 ip4:203.0.113.0/24 -all'] },
  'paypal.com': { TXT: ['v=spf1 ip4:203.0.113.0/24 -all'] },
  'amazon.de': { TXT: ['v=spf1 ip4:203.0.113.0/24 -all'] },
  'ebay.co.uk': { A: ['192.0.2.2'] },
  'linkedin.com': { A: ['192.0.2.2'] },
  'netflix.com': { A: ['192.0.2.2'] },
  'outlook.com': { A: ['192.0.2.2'] },
  'mx.other.example': { A: ['203.0.113.9'] },
  'other.example': { A: ['203.0.113.9'] },
};

let mx: Mx;
const listed = mkdtempSync(join(tmpdir(), 'postern-listed-'));
before(async () => {
  writeFileSync(join(listed, '198.51.100.77'), '');
  mx = await startMx({
    settings: ['xclient_networks=loopback', 'dns_timeout=200ms', `blacklist_dir=${listed}`],
    markers: [
      ...[...checks, ...contentChecks].flatMap((check) =>
        inDomains({ [`${check}.chk.example`]: ['users/valid/*', `checks/${check}`] }),
      ),
      ...inDomains({
        'example.com': [
          ...['foo', 'acl/192.0.2.1', 'bob', "o'neil", 'foo+tag'].map((name) => `users/valid/${name}`),
          'users/invalid/bob',
          'users/invalid/dirinv/x',
          'checks/all',
        ],
        'wild.example': ['users/valid/*', 'users/invalid/bob', 'users/valid/acl/192.0.2.1'],
        'sub.wild.example': ['users/valid/foo'],
        'dnsbl.chk.example': ['users/valid/*', 'zones=# comment\n\nbl.example\nbl2.example\n'],
        'dnsblsp.chk.example': ['users/valid/*', 'zones=bl.example\r\n'],
        'black.example': [
          'users/valid/*',
          ...['ips/198.51.100.7', 'ips/2001:db8::7', 'hosts/hosted-by.bad.example', 'tld/ph'].map(black),
          ...['senders/bad@sender.example', 'domains/evil.example'].map(black),
        ],
        'white.example': [
          'users/valid/foo',
          'checks/all',
          ...['ips/198.51.100.8', 'ips/2001:db8::8', 'senders/good@sender.example', 'domains/good.example'].map(white),
          white('recipients/abuse'),
        ],
        'both.example': ['users/valid/*', black('senders/x@good.example'), white('domains/good.example')],
        'dirmark.example': ['users/valid/*', 'checks/date/'],
        _global_: [
          black('ips/198.51.100.66'),
          black('tld/xx'),
          white('senders/auditor@trusted.example'),
          white('recipients/postmaster'),
        ],
      }),
    ],
    zone,
  });
  const srv = join(mx.root, 'srv');
  const outside = join(mx.root, 'outside', 'out.example');
  mkdirSync(join(outside, 'users', 'valid'), { recursive: true });
  writeFileSync(join(outside, 'users', 'valid', 'foo'), '');
  symlinkSync(outside, join(srv, 'out.example'));
  symlinkSync('example.com', join(srv, 'alias.example'));
});
after(async () => {
  await mx.close();
  rmSync(listed, { recursive: true });
});

type Case = readonly [what: string, mail: Mail, code: number, why?: string];

/** [what, the mail, what postern answers, why the original did not] */
const table: readonly Case[] = [
  ['rcpt foo@example.com', {}, 250],
  ['rcpt nobody@example.com', { to: 'nobody@example.com' }, 550],
  ['rcpt acl@example.com', { to: 'acl@example.com' }, 550],
  ['rcpt foo+tag@example.com', { to: 'foo+tag@example.com' }, 250],
  ['rcpt dirinv@example.com', { to: 'dirinv@example.com' }, 550],
  ['rcpt x@wild.example', { to: 'x@wild.example' }, 250],
  ['rcpt foo@out.example', { to: 'foo@out.example' }, 550, 'a link out of /srv hosts nothing'],
  ['rcpt foo@alias.example', { to: 'foo@alias.example' }, 250],
  ['rcpt foo@sub.wild.example', { to: 'foo@sub.wild.example' }, 250],
  ['rcpt *@example.com', { to: '*@example.com' }, 550],
  ['rcpt a%b@wild.example', { to: 'a%b@wild.example' }, 550, 'routing characters need a marker of their own'],
  ['rcpt x@_global_', { to: 'x@_global_' }, 550],
  ['rcpt acl right ip', { client: '192.0.2.1', to: 'acl@example.com' }, 550],
  ['two domains', { to: ['foo@example.com', 'x@wild.example'] }, 250],
  ['postmaster no domain', { to: 'postmaster' }, 250, 'postmaster without a domain is always taken (RFC 5321 §4.5.1)'],
  ['dirmark no date', { to: 'x@dirmark.example', without: ['date'] }, 550],
  ['helo localhost', { helo: 'localhost', to: 'x@helo.chk.example' }, 550],
  ['helo [192.0.2.25]', { helo: '[192.0.2.25]', to: 'x@helo.chk.example' }, 250],
  ['helo x.localdomain', { helo: 'x.localdomain', to: 'x@helo.chk.example' }, 550],
  [
    'helo [IPv6:2001:db8::1]',
    { helo: '[IPv6:2001:db8::1]', to: 'x@helo.chk.example' },
    250,
    'address literals are legal, of either kind',
  ],
  ['date none', { to: 'x@date.chk.example', without: ['date'] }, 550],
  ['date empty', { to: 'x@date.chk.example', without: ['date'], fields: ['Date: '] }, 550],
  ['date garbage', { to: 'x@date.chk.example', without: ['date'], fields: ['Date: yesterday'] }, 250],
  ['date ok', { to: 'x@date.chk.example' }, 250],
  ['spf fail', { client: '203.0.113.9', helo: 'mx.other.example', to: 'x@spf.chk.example' }, 550],
  [
    'spf permerror',
    { client: '203.0.113.9', helo: 'mx.other.example', from: 'a@broken.example', to: 'x@spf.chk.example' },
    550,
  ],
  [
    'spf null sender, helo fails',
    { client: '203.0.113.9', helo: 'good.example', from: '', to: 'x@spf.chk.example' },
    550,
    'a bounce is judged by its HELO name',
  ],
  [
    'spf forwarder iki.fi by helo',
    { client: '203.0.113.30', helo: 'mail.iki.fi', to: 'x@spf.chk.example' },
    550,
    'forwarders are named by spf_forwarders',
  ],
  ['sender <a@localhost>', { from: 'a@localhost', to: 'x@sender.chk.example' }, 550],
  ['sender <>', { from: '', to: 'x@sender.chk.example' }, 250],
  [
    'sender <a.b@localhost>',
    { from: 'a.b@localhost', to: 'x@sender.chk.example' },
    550,
    'the domain must have a dot, not the address',
  ],
  ['sender <x>', { from: 'x', to: 'x@sender.chk.example' }, 501],
  ['rdns 203.0.113.200', { client: '203.0.113.200', to: 'x@rdns.chk.example' }, 550],
  ['rdns 2001:db8::99', { client: '2001:db8::99', to: 'x@rdns.chk.example' }, 550],
  ['rdns4 203.0.113.200', { client: '203.0.113.200', to: 'x@rdns4.chk.example' }, 550],
  ['rdns4 2001:db8::99', { client: '2001:db8::99', to: 'x@rdns4.chk.example' }, 250],
  ['rdns6 203.0.113.200', { client: '203.0.113.200', to: 'x@rdns6.chk.example' }, 250],
  ['rdns6 2001:db8::99', { client: '2001:db8::99', to: 'x@rdns6.chk.example' }, 550],
  ['address From: ', { to: 'x@address.chk.example', without: ['from'], fields: ['From: '] }, 550],
  [
    'address From: |x@a.example',
    { to: 'x@address.chk.example', without: ['from'], fields: ['From: |x@a.example'] },
    550,
  ],
  [
    'address From: !x@a.example',
    { to: 'x@address.chk.example', without: ['from'], fields: ['From: !x@a.example'] },
    550,
  ],
  [
    'address From: "A, B" <x@a.example>',
    { to: 'x@address.chk.example', without: ['from'], fields: ['From: "A, B" <x@a.example>'] },
    250,
  ],
  [
    'address From: a@b.example, -x@c.example',
    { to: 'x@address.chk.example', without: ['from'], fields: ['From: a@b.example, -x@c.example'] },
    550,
  ],
  [
    'address From: =?utf-8?q?x?= <a@b.example>',
    { to: 'x@address.chk.example', without: ['from'], fields: ['From: =?utf-8?q?x?= <a@b.example>'] },
    250,
  ],
  [
    'mailer The Bat! 3',
    { to: 'x@mailers.chk.example', fields: ['X-Mailer: The Bat! 3'] },
    250,
    'the list of mailers is another one',
  ],
  [
    'mailer globomail',
    { to: 'x@mailers.chk.example', fields: ['X-Mailer: globomail'] },
    250,
    'the list of mailers is another one',
  ],
  ['mailer Globomail 2', { to: 'x@mailers.chk.example', fields: ['X-Mailer: Globomail 2'] }, 250],
  [
    'mailer SuperMail-2',
    { to: 'x@mailers.chk.example', fields: ['X-Mailer: SuperMail-2'] },
    550,
    'the list of mailers is another one',
  ],
  [
    'mailman 2 List moderator request(s) waiting',
    { to: 'x@mailman.chk.example', without: ['subject'], fields: ['Subject: 2 List moderator request(s) waiting'] },
    250,
  ],
  [
    'mailman re: post from x',
    { to: 'x@mailman.chk.example', without: ['subject'], fields: ['Subject: re: post from x'] },
    250,
  ],
  ['empty_body no body', { to: 'x@empty_body.chk.example', body: '' }, 550, 'there must be a text to read'],
  [
    'empty_body only blank lines',
    { to: 'x@empty_body.chk.example', body: '\r\n\r\n' },
    550,
    'there must be a text to read',
  ],
  [
    'empty_body empty html',
    {
      to: 'x@empty_body.chk.example',
      fields: ['MIME-Version: 1.0', 'Content-Type: text/html'],
      body: '<html><body></body></html>\r\n',
    },
    550,
    'there must be a text to read',
  ],
  [
    'dkim unsigned a@paypal.com',
    { client: '203.0.113.9', from: 'a@paypal.com', to: 'x@dkim.chk.example' },
    250,
    'the list of domains that sign is another one',
  ],
  [
    'dkim unsigned a@ebay.co.uk',
    { client: '203.0.113.9', from: 'a@ebay.co.uk', to: 'x@dkim.chk.example' },
    250,
    'the list of domains that sign is another one',
  ],
  [
    'dkim unsigned a@linkedin.com',
    { client: '203.0.113.9', from: 'a@linkedin.com', to: 'x@dkim.chk.example' },
    250,
    'the list of domains that sign is another one',
  ],
  [
    'dkim unsigned a@outlook.com',
    { client: '203.0.113.9', from: 'a@outlook.com', to: 'x@dkim.chk.example' },
    550,
    'the list of domains that sign is another one',
  ],
  [
    'dkim unsigned a@mail.gmail.com',
    { client: '203.0.113.9', from: 'a@mail.gmail.com', to: 'x@dkim.chk.example' },
    250,
  ],
  ['dnsbl 203.0.113.51', { client: '203.0.113.51', to: 'x@dnsbl.chk.example' }, 550],
  [
    'dnsbl 203.0.113.52',
    { client: '203.0.113.52', to: 'x@dnsbl.chk.example' },
    250,
    "127.255.255.x is a list's error, not a listing",
  ],
  [
    'dnsbl zones file with CRLF',
    { client: '203.0.113.50', to: 'x@dnsblsp.chk.example' },
    550,
    'a carriage return behind a zone is passed over',
  ],
  ['greylisting second at once', { to: 'x@greylisting.chk.example' }, 450, 'the sender has to wait'],
  ['black ip6', { client: '2001:db8::7', to: 'x@black.example' }, 550],
  ['black host unconfirmed', { client: '203.0.113.41', from: 'a@b.example', to: 'x@black.example' }, 550],
  ['black sender', { from: 'BAD@sender.example', to: 'x@black.example' }, 550],
  ['black subdomain', { from: 'x@sub.evil.example', to: 'x@black.example' }, 250],
  ['black blacklist.d', { client: '198.51.100.77', from: 'a@b.example', to: 'x@black.example' }, 550],
  ['black none', { from: 'a@b.example', to: 'x@black.example' }, 250],
  ['white ip', { client: '198.51.100.8', helo: 'localhost', to: 'foo@white.example', without: ['date'] }, 250],
  ['white sender', { helo: 'localhost', from: 'good@sender.example', to: 'foo@white.example', without: ['date'] }, 250],
  ['white domain', { helo: 'localhost', from: 'x@good.example', to: 'foo@white.example', without: ['date'] }, 250],
  ['white rcpt abuse@white.example', { helo: 'localhost', to: 'abuse@white.example', without: ['date'] }, 250],
  ['white rcpt nobody@white.example', { helo: 'localhost', to: 'nobody@white.example', without: ['date'] }, 550],
  [
    'white sender, user unknown',
    { from: 'good@sender.example', to: 'nobody@white.example' },
    550,
    'a white sender creates no mailbox',
  ],
];

for (const [what, { client = '192.0.2.25', ...mail }, code, why] of table)
  test(`${what}: ${code}${why === undefined ? '' : `, for ${why}`}`, async () => {
    const { reply } = await fateOf(mx, {
      helo: 'mail.sender.example',
      from: 'a@sender.example',
      to: 'foo@example.com',
      body: 'body',
      ...mail,
      client: `ADDR=${client.includes(':') ? 'IPV6:' : ''}${client}`,
    });
    assert.equal(reply.slice(0, 3), String(code), reply);
  });

test('docs/coming-over.md has each of these differences', () => {
  const page = readFileSync(join(packageRoot, 'docs', 'coming-over.md'), 'utf8');
  const reasons = new Set(table.flatMap(([, , , why]) => why ?? []));
  for (const reason of reasons) assert.ok(page.includes(`\n| ${reason} |`), reason);
});
