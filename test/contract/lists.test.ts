/** srv-and-spam §4: blacklist, then whitelist. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { type Mx } from '../support/mx.js';
import { contrast, deferred, fateOf, type Mail, marked, noSuchUser, rejected, relayed, startMx } from './support.js';

let mx: Mx;
let blacklistDir: string;
before(async () => {
  blacklistDir = mkdtempSync(join(tmpdir(), 'postern-blacklist-'));
  mx = await startMx({
    markers: ['example.com/users/valid/alice', 'example.com/users/valid/bob', 'other.example/users/valid/alice'],
    settings: ['xclient_networks=loopback', 'dns_timeout=200ms', `blacklist_dir=${blacklistDir}`],
    zone: {
      '1.2.0.192.in-addr.arpa': { PTR: ['mail.bulk.ph'] },
      'mail.bulk.ph': { A: ['192.0.2.1'] },
      '2.2.0.192.in-addr.arpa': { PTR: ['unconfirmed.bulk.ph'] },
      '4.2.0.192.in-addr.arpa': { timeout: true },
    },
  });
});
after(async () => {
  await mx.close();
  rmSync(blacklistDir, { recursive: true });
});

const client = (address: string): Mail => ({ client: `ADDR=${address}` });

/** [marker below /srv/DOMAIN/blacklisted or whitelisted, what it is, a mail it matches, one that it does not] */
const matching: readonly (readonly [marker: string, what: string, mail: Mail, other: Mail])[] = [
  ['ips/192.0.2.9', 'the client address', client('192.0.2.9'), client('192.0.2.8')],
  ['ips/2001:db8::9', 'an IPv6 client address', client('IPV6:2001:db8::9'), client('IPV6:2001:db8::8')],
  [
    'ips/192.0.2.9',
    'the IPv4 address of a mapped client',
    client('IPV6:::ffff:192.0.2.9'),
    client('IPV6:::ffff:192.0.2.8'),
  ],
  ['ips/192.0.2.0_24', 'a network', client('192.0.2.255'), client('192.0.3.0')],
  ['ips/192.0.2.128_25', 'a network that ends inside an octet', client('192.0.2.128'), client('192.0.2.127')],
  ['ips/192.0.2.9_32', 'a network of one address', client('192.0.2.9'), client('192.0.2.8')],
  ['ips/128.0.0.0_1', 'half of all addresses', client('192.0.2.9'), client('10.0.0.1')],
  ['ips/2001:db8::_32', 'an IPv6 network', client('IPV6:2001:db8:ffff::1'), client('IPV6:2001:db9::1')],
  [
    'ips/2001:db8:0:4000::_50',
    'an IPv6 network that ends inside a group',
    client('IPV6:2001:db8:0:7fff::1'),
    client('IPV6:2001:db8:0:8000::1'),
  ],
  ['ips/0.0.0.0_0', 'all of IPv4, not of IPv6', client('192.0.2.9'), client('IPV6:2001:db8::9')],
  ['senders/spam@bulk.example', 'the reverse-path', { from: 'spam@bulk.example' }, { from: 'ham@bulk.example' }],
  [
    'domains/bulk.example',
    "the reverse-path's domain",
    { from: 'spam@bulk.example' },
    { from: 'spam@sub.bulk.example' },
  ],
];
const ofBlacklist: typeof matching = [
  ...matching,
  ['hosts/mail.bulk.ph', "the client's reverse name, whole", client('192.0.2.1'), client('192.0.2.2')],
  ['hosts/unconfirmed.bulk.ph', 'a reverse name that leads elsewhere', client('192.0.2.2'), client('192.0.2.1')],
  ['tld/ph', "the last label of the client's reverse name", client('192.0.2.1'), client('192.0.2.3')],
];
for (const scope of ['example.com', '_global_']) {
  for (const [marker, what, mail, other] of ofBlacklist) {
    test(`${scope}/blacklisted/${marker} matches ${what}`, async () => {
      const markers = [`${scope}/blacklisted/${marker}`];
      const { reply, log, index } = await contrast(mx, { markers, mail, there: rejected, absent: relayed });
      assert.match(reply, /^550 5\.7\.1 Blacklisted \(/);
      assert.equal(index[0]?.['plugin'], 'blacklist');
      assert.ok(
        log.some((line) => line['plugin'] === 'blacklist' && line['why'] === markers[0]),
        'the log names the marker',
      );
      await contrast(mx, { markers, mail: other, there: relayed, absent: relayed });
    });
  }

  for (const [marker, what, mail, other] of matching) {
    test(`${scope}/whitelisted/${marker} matches ${what}, and lifts a check's rejection`, async () => {
      const markers = [`${scope}/whitelisted/${marker}`];
      await marked(mx, ['example.com/checks/date'], async () => {
        await contrast(mx, { markers, mail: { ...mail, without: ['date'] }, there: relayed, absent: rejected });
        await contrast(mx, { markers, mail: { ...other, without: ['date'] }, there: rejected, absent: rejected });
      });
    });
  }
}

const nothing: readonly (readonly [marker: string, what: string, mail: Mail])[] = [
  ['example.com/blacklisted/hosts/bulk.ph', 'a part of the reverse name', client('192.0.2.1')],
  ['example.com/blacklisted/tld/bulk.ph', 'two labels', client('192.0.2.1')],
  ['example.com/blacklisted/tld/ph', "the sender's address", { from: 'x@sender.ph' }],
  ['example.com/blacklisted/hosts/client.example', 'the HELO name', { helo: 'client.example' }],
  ['example.com/blacklisted/domains/example', 'a parent of the domain', { from: 'x@bulk.example' }],
  ['example.com/blacklisted/senders/bulk.example', 'a domain below senders/', { from: 'x@bulk.example' }],
  ['example.com/blacklisted/recipients/alice', 'a recipient', {}],
  ['other.example/blacklisted/ips/127.0.0.1', "another domain's client", {}],
  ['example.com/blacklisted/ips/192.0.2.9_24', 'a network with host bits', client('192.0.2.9')],
  ['example.com/blacklisted/ips/2001:DB8::9', 'an address in another form than RFC 5952', client('IPV6:2001:db8::9')],
];
for (const [marker, what, mail] of nothing) {
  test(`${marker} does not match ${what}`, async () => {
    await contrast(mx, { markers: [marker], mail, there: relayed, absent: relayed });
  });
}

test('the null reverse-path is on no list of senders and domains', async () => {
  const markers = ['senders', 'domains'].flatMap((kind) =>
    ['x', '<>', '.'].map((name) =>
      name === '.' ? `example.com/blacklisted/${kind}/` : `example.com/blacklisted/${kind}/${name}`,
    ),
  );
  await contrast(mx, { markers, mail: { from: '' }, there: relayed, absent: relayed });
});

test('a blacklist that asks for the reverse name defers when DNS fails, and only then', async () => {
  const mail = client('192.0.2.4');
  for (const marker of ['example.com/blacklisted/hosts/x.example', '_global_/blacklisted/tld/xyz'])
    await contrast(mx, { markers: [marker], mail, there: deferred, absent: relayed });
  await contrast(mx, { markers: ['example.com/blacklisted/ips/192.0.2.9'], mail, there: relayed, absent: relayed });
});

// blacklist_dir

const inDir: readonly (readonly [name: string, mail: Mail])[] = [
  ['192.0.2.9', client('192.0.2.9')],
  ['192.0.2.0_24', client('192.0.2.9')],
  ['2001:db8::9', client('IPV6:2001:db8::9')],
];
for (const [name, mail] of inDir) {
  test(`blacklist_dir adds to blacklisted/ips: ${name}`, async () => {
    assert.match((await fateOf(mx, mail)).reply, relayed);
    writeFileSync(join(blacklistDir, name), '');
    const { reply, log } = await fateOf(mx, mail);
    rmSync(join(blacklistDir, name));
    assert.match(reply, /^550 5\.7\.1 Blacklisted \(/);
    assert.ok(log.some((line) => line['why'] === join(blacklistDir, name)));
    assert.match((await fateOf(mx, mail)).reply, relayed);
  });
}

test('blacklist_dir adds nothing to whitelisted/ips, and lists no senders', async () => {
  for (const path of ['192.0.2.9', 'senders/x@bulk.example']) {
    mkdirSync(dirname(join(blacklistDir, path)), { recursive: true });
    writeFileSync(join(blacklistDir, path), '');
  }
  await marked(mx, ['example.com/checks/date'], async () => {
    assert.match((await fateOf(mx, { ...client('192.0.2.9'), without: ['date'] })).reply, rejected);
  });
  assert.match((await fateOf(mx, { from: 'x@bulk.example' })).reply, relayed);
  rmSync(join(blacklistDir, '192.0.2.9'));
});

// The whitelist lifts any rejection.

const lifting: readonly (readonly [marker: string, mail: Mail])[] = [
  ['ips/127.0.0.1', {}],
  ['ips/127.0.0.0_8', {}],
  ['senders/sender@sender.example', {}],
  ['domains/sender.example', {}],
  ['recipients/alice', {}],
];
const blacklists = [
  'ips/127.0.0.1',
  'hosts/localhost',
  'tld/localhost',
  'senders/sender@sender.example',
  'domains/sender.example',
];
for (const [marker, mail] of lifting) {
  test(`whitelisted/${marker} lifts the blacklist's rejection too`, async () => {
    for (const black of blacklists)
      await marked(mx, [`example.com/blacklisted/${black}`], () =>
        contrast(mx, { markers: [`example.com/whitelisted/${marker}`], mail, there: relayed, absent: rejected }),
      );
  });

  test(`_global_/whitelisted/${marker} lifts what a domain has blacklisted`, async () => {
    await marked(mx, ['example.com/blacklisted/ips/127.0.0.1'], () =>
      contrast(mx, { markers: [`_global_/whitelisted/${marker}`], mail, there: relayed, absent: rejected }),
    );
  });
}

test('whitelisted/recipients/LOCAL matches any recipient: such mail is never rejected', async () => {
  const mail: Mail = { to: ['bob@example.com', 'alice@example.com'], without: ['date'] };
  await marked(mx, ['example.com/checks/date', 'example.com/blacklisted/ips/127.0.0.1'], async () => {
    const { relayed: copies } = await contrast(mx, {
      markers: ['example.com/whitelisted/recipients/alice'],
      mail,
      there: relayed,
      absent: rejected,
    });
    assert.equal(copies.length, 2);
    await contrast(mx, {
      markers: ['example.com/whitelisted/recipients/carol'],
      mail,
      there: rejected,
      absent: rejected,
    });
    await contrast(mx, {
      markers: ['other.example/whitelisted/recipients/alice'],
      mail,
      there: rejected,
      absent: rejected,
    });
  });
});

test('the log tells by which marker a mail was pardoned', async () => {
  const markers = ['example.com/whitelisted/domains/sender.example', 'example.com/checks/date'];
  const { log } = await marked(mx, markers, () => fateOf(mx, { without: ['date'] }));
  assert.equal(log.find((line) => 'verdict' in line)?.['pardoned'], `whitelisted: ${markers[0]}`);
});

// One limit: it creates no mailboxes.

for (const marker of ['ips/127.0.0.1', 'senders/sender@sender.example', 'domains/sender.example']) {
  for (const scope of ['example.com', '_global_']) {
    test(`${scope}/whitelisted/${marker} does not create mailboxes`, async () => {
      await contrast(mx, {
        markers: [`${scope}/whitelisted/${marker}`],
        mail: { to: 'nobody@example.com' },
        there: noSuchUser,
        absent: noSuchUser,
      });
    });
  }
}

for (const scope of ['example.com', '_global_']) {
  test(`a refused recipient is lifted by ${scope}/whitelisted/recipients/LOCAL`, async () => {
    const markers = [`${scope}/whitelisted/recipients/nobody`];
    await contrast(mx, { markers, mail: { to: 'nobody@example.com' }, there: relayed, absent: noSuchUser });
    await contrast(mx, { markers, mail: { to: 'body@example.com' }, there: noSuchUser, absent: noSuchUser });
    await marked(mx, ['example.com/users/invalid/nobody'], () =>
      contrast(mx, { markers, mail: { to: 'nobody@example.com' }, there: relayed, absent: noSuchUser }),
    );
  });
}

test('a refused recipient beside one that is lifted is not lifted with it', async () => {
  const { rcpt, relayed: copies } = await marked(mx, ['example.com/whitelisted/recipients/nobody'], () =>
    fateOf(mx, { to: ['nobody@example.com', 'body@example.com', 'alice@example.com'] }),
  );
  assert.deepEqual(
    rcpt.map((reply) => reply.slice(0, 3)),
    ['250', '452', '250'],
  );
  assert.equal(copies.length, 2);
});

test('blacklisting runs before whitelisting, in the list that ships', async () => {
  const markers = ['example.com/blacklisted/ips/127.0.0.1'];
  const { log } = await marked(mx, markers, () => fateOf(mx));
  const order = log.filter((line) => line['hook'] === 'dataPost').map((line) => line['plugin']);
  // Behind the whitelist stands nothing that rejects: greylisting only defers, and the sum of points is before it.
  assert.deepEqual(order.slice(order.indexOf('blacklist')), ['blacklist', 'score', 'whitelist', 'greylisting']);
});
