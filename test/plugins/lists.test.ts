/** blacklist, whitelist, valid_users, rdns: whom they ask for what, and what they make of it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import blacklist from '../../plugins/blacklist.js';
import rdns from '../../plugins/rdns.js';
import rdns4 from '../../plugins/rdns4.js';
import rdns6 from '../../plugins/rdns6.js';
import validUsers from '../../plugins/valid_users.js';
import whitelist from '../../plugins/whitelist.js';
import type { Plugin } from '../../src/hooks/plugin.js';
import { reject, rejectRecipient, type Rejection } from '../../src/mail/verdict.js';
import { type TestMail, testMail, testRecipient } from '../../src/hooks/testing.js';
import { said, textOf } from './mail.js';

/** Markers of which these are there, as `kind/key`; `address` stands for the client's. */
const holding = (list: string, ...there: readonly string[]): Pick<TestMail, 'markers'> => ({
  markers: {
    listed: (_domain, asked, kind, key) =>
      asked === list && there.includes(`${kind}/${key}`) ? `x/${kind}/${key}` : undefined,
    anyListed: (_domain, asked, kind) => asked === list && there.some((marker) => marker.startsWith(`${kind}/`)),
    addressListed: (_domain, asked) => (asked === list && there.includes('address') ? 'x/ips/y' : undefined),
    recipientWhitelisted: (_domain, local) =>
      list === 'whitelisted' && there.includes(`recipients/${local}`) ? `x/recipients/${local}` : undefined,
  },
});
const black = (...there: readonly string[]): Pick<TestMail, 'markers'> => holding('blacklisted', ...there);
const white = (...there: readonly string[]): Pick<TestMail, 'markers'> => holding('whitelisted', ...there);

const named: TestMail = { client: { kind: 'confirmed', name: 'mail.bulk.ph' } };
const failing: TestMail = { client: { kind: 'failed', problem: 'SERVFAIL' } };

const table: readonly (readonly [plugin: Plugin, what: string, given: TestMail, expected: string])[] = [
  [blacklist, 'nothing listed', named, 'pass'],
  [blacklist, 'the reverse-path', { ...black('senders/a@b.example'), from: 'a@b.example' }, 'reject 5.7.1 Blacklisted'],
  [blacklist, 'its domain', { ...black('domains/b.example'), from: 'a@b.example' }, 'reject 5.7.1 Blacklisted'],
  [blacklist, 'the address', black('address'), 'reject 5.7.1 Blacklisted'],
  [blacklist, 'the reverse name', { ...black('hosts/mail.bulk.ph'), ...named }, 'reject 5.7.1 Blacklisted'],
  [blacklist, 'its last label', { ...black('tld/ph'), ...named }, 'reject 5.7.1 Blacklisted'],
  [
    blacklist,
    'an unconfirmed name',
    { ...black('tld/ph'), client: { kind: 'unconfirmed', name: 'x.ph' } },
    'reject 5.7.1 Blacklisted',
  ],
  [blacklist, 'no name', { ...black('tld/ph'), client: { kind: 'none' } }, 'pass'],
  [blacklist, 'DNS fails, hosts are listed', { ...black('hosts/x'), ...failing }, 'defer 451 4.7.1'],
  [blacklist, 'DNS fails, top-level domains are listed', { ...black('tld/x'), ...failing }, 'defer 451 4.7.1'],
  [blacklist, 'DNS fails, nobody asks for names', { ...black('senders/x'), ...failing }, 'pass'],
  [
    blacklist,
    'DNS fails, but the address is listed',
    { ...black('hosts/x', 'address'), ...failing },
    'reject 5.7.1 Blacklisted',
  ],
  [blacklist, 'rejected already', { ...black('address'), rejected: true }, 'skip'],
  [blacklist, 'pardoned', { ...black('address'), pardoned: 'x' }, 'skip'],
  [whitelist, 'nothing listed', named, 'skip'],
  [whitelist, 'nothing listed, and rejected', { ...named, rejected: true }, 'skip'],
  [
    whitelist,
    'the reverse-path',
    { ...white('senders/a@b.example'), from: 'a@b.example', rejected: true },
    'pardon mail whitelisted: x/senders/a@b.example',
  ],
  [
    whitelist,
    'its domain',
    { ...white('domains/b.example'), from: 'a@b.example', rejected: true },
    'pardon mail whitelisted: x/domains/b.example',
  ],
  [whitelist, 'the address', { ...white('address'), rejected: true }, 'pardon mail whitelisted: x/ips/y'],
  [whitelist, 'the address, and nothing to lift', white('address'), 'skip'],
  [
    whitelist,
    'a recipient',
    { ...white('recipients/bob'), to: ['alice@example.com', 'bob@example.com'], rejected: true },
    'pardon all whitelisted: x/recipients/bob',
  ],
  [
    whitelist,
    'a recipient beats the sender',
    { ...white('recipients/alice', 'address'), rejected: true },
    'pardon all whitelisted: x/recipients/alice',
  ],
  [whitelist, 'pardoned already', { ...white('address'), pardoned: 'x', rejected: true }, 'skip'],
  [
    whitelist,
    'pardoned already, but a recipient is listed',
    { ...white('recipients/alice'), pardoned: 'x', rejected: true },
    'pardon all whitelisted: x/recipients/alice',
  ],
  [rdns, 'a name', named, 'pass'],
  [rdns, 'an unconfirmed name', { client: { kind: 'unconfirmed', name: 'x.ph' } }, 'pass'],
  [rdns, 'none', {}, 'reject 5.7.1 No reverse name (PTR record) for your address'],
  [rdns, 'DNS fails', failing, 'defer 451 4.7.1'],
  [rdns4, 'none, IPv4', {}, 'reject 5.7.1 No reverse name (PTR record) for your address'],
  [rdns4, 'none, IPv6', { ip: '2001:db8::1' }, 'pass'],
  [rdns4, 'DNS fails, IPv6', { ip: '2001:db8::1', ...failing }, 'pass'],
  [rdns6, 'none, IPv6', { ip: '2001:db8::1' }, 'reject 5.7.1 No reverse name (PTR record) for your address'],
  [rdns6, 'none, IPv4', {}, 'pass'],
];
for (const [plugin, what, given, expected] of table) {
  test(`${plugin.name}: ${what}`, async () => assert.equal(await said(plugin, given), expected));
}

/** [what, recipients, entries, why the mail is refused so far, expected] */
const refusals: readonly (readonly [
  what: string,
  to: readonly string[],
  listed: readonly string[],
  rejection: Rejection,
  expected: string,
])[] = [
  ['all of them', ['a', 'b'], ['a', 'b'], rejectRecipient('x') as Rejection, 'pardon all whitelisted: x/recipients/a'],
  ['one of them', ['a', 'b'], ['a'], rejectRecipient('x') as Rejection, 'skip'],
  ['the one', ['a'], ['a'], rejectRecipient('x') as Rejection, 'pardon all whitelisted: x/recipients/a'],
  [
    'one of several deliverable ones',
    ['a', 'b'],
    ['b'],
    reject('x') as Rejection,
    'pardon all whitelisted: x/recipients/b',
  ],
];
for (const [what, to, listed, rejection, expected] of refusals) {
  test(`whitelist: refused recipients are lifted together: ${what}`, async () => {
    const given = {
      ...white(...listed.map((name) => `recipients/${name}`)),
      to: to.map((name) => `${name}@example.com`),
    };
    assert.equal(textOf(await whitelist.dataPost?.({ ...testMail(given), rejection })), expected);
  });
}

test('whitelist is asked at RCPT already, for that recipient', async () => {
  assert.equal(
    textOf(await whitelist.rcpt?.(testRecipient(white('recipients/alice')))),
    'pardon all whitelisted: x/recipients/alice',
  );
  assert.equal(textOf(await whitelist.rcpt?.(testRecipient(white('recipients/bob')))), 'pass');
  assert.equal(textOf(await whitelist.rcpt?.(testRecipient(white('address')))), 'pardon mail whitelisted: x/ips/y');
});

test('whitelist lifts what plugins of the queue hook reject, too', async () => {
  const given = white('address');
  assert.equal(
    textOf(await whitelist.queue?.(testMail({ ...given, rejected: true }))),
    'pardon mail whitelisted: x/ips/y',
  );
  assert.equal(textOf(await whitelist.queue?.(testMail(given))), 'skip');
});

test('valid_users rejects the recipient that has no marker, and tells the log why', async () => {
  assert.equal(textOf(await validUsers([]).rcpt?.(testRecipient({}))), 'pass');
  const given = { markers: { recipient: () => ({ kind: 'refused', why: 'users/invalid/alice' }) as const } };
  const verdict = await validUsers([]).rcpt?.(testRecipient(given));
  assert.equal(textOf(verdict), 'reject 5.1.1 No such user');
  assert.ok(verdict?.kind === 'reject' && verdict.about === 'recipient' && verdict.log === 'users/invalid/alice');
});
