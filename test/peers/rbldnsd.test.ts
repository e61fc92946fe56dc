/** dnsbl and rhsbl through the listener and our own resolver, against Debian's rbldnsd. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { stubResolver } from '../../src/dns/stub/stub-resolver.js';
import { Mx } from '../support/mx.js';
import { needPeer } from '../support/peers.js';
import { freePort } from '../support/free-port.js';
import { patience } from '../support/until.js';

const data = {
  ip4: ':127.0.0.2:Spam from $ was seen\n192.0.2.2\n192.0.2.64/26 :127.0.0.4:a pool of dynamic addresses\n192.0.2.5 :127.255.255.254:query refused\n',
  ip6: ':2:Listed\n2001:db8::/64\n',
  friends: '!192.0.2.66\n192.0.2.64/26 :127.0.9.2:known to be good\n',
  names: ':127.0.1.2:Spam domain\nspammer.example\n.bulk.example\n',
};

async function startRbldnsd(folder: string): Promise<{ readonly server: ChildProcess; readonly address: string }> {
  chmodSync(folder, 0o755); // it gives up root before it reads
  for (const [name, text] of Object.entries(data)) writeFileSync(join(folder, name), text);
  const port = await freePort();
  const zones = [
    'bl.example:ip4set:ip4',
    'bl6.example:ip6trie:ip6',
    'friends.example:ip4set:friends',
    'dbl.example:dnset:names',
  ];
  const server = spawn('rbldnsd', ['-n', '-w', folder, '-b', `127.0.0.1/${port}`, '-u', 'rbldns', ...zones], {
    stdio: 'ignore',
    env: { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin` },
  });
  const address = `127.0.0.1:${port}`;
  const lookup = stubResolver({ servers: [address], totalMs: 500 });
  for (const late = Date.now() + patience; Date.now() < late;) {
    const { answer } = await lookup.ask('2.2.0.192.bl.example', 'A');
    if (answer.kind === 'found') return { server, address };
  }
  server.kill('SIGKILL');
  throw new Error('rbldnsd does not answer');
}

test('rbldnsd: listed, not listed, IPv6, sender domains; and dead', async (t) => {
  if (!needPeer(t, 'rbldnsd', 'root')) return;
  const folder = mkdtempSync(join(tmpdir(), 'rbldnsd-'));
  const { server, address } = await startRbldnsd(folder);
  const mx = await Mx.start({
    markers: [
      'example.com/users/valid/alice',
      'example.com/zones=bl.example=127.0.0.2,127.0.0.4\nbl6.example\n',
      'example.com/domain_zones=dbl.example',
      'links.test/users/valid/alice',
      'links.test/uri_zones=dbl.example\n',
      'weights.example/users/valid/alice',
      'weights.example/zones=bl.example=127.0.0.[2..4]*4.5\nfriends.example=127.0.[0..255].[1..3]*-3\n',
      'weights.example/domain_zones=dbl.example*2\n',
      'weights.example/checks/helo=score 1.5',
      'weights.example/score=reject 4\n',
    ],
    settings: ['xclient_networks=loopback', 'dns_zone=', `dns_servers=${address}`, 'dns_timeout=1s'],
    plugins: ['valid_users', 'helo', 'dnsbl 2', 'rhsbl 2', 'uribl 2', 'score'],
  });
  const send = (ip: string, from = 'a@sender.example'): Promise<string> => mx.send({ from, xclient: `ADDR=${ip}` });
  const weigh = (ip: string, from = 'a@sender.example'): Promise<string> =>
    mx.send({ from, xclient: `ADDR=${ip}`, to: 'alice@weights.example', helo: 'a_b.example' });
  try {
    assert.match(await send('192.0.2.2'), /^550 .* listed by bl\.example: Spam from 192\.0\.2\.2 was seen \(/);
    assert.match(await send('192.0.2.70'), /^550 .* bl\.example: a pool of dynamic addresses \(/);
    assert.match(await send('192.0.2.3'), /^250 /);
    assert.match(await send('192.0.2.5'), /^250 /);
    assert.match(await send('IPV6:2001:db8::99'), /^550 .* listed by bl6\.example/);
    assert.match(await send('IPV6:2001:db8:1::99'), /^250 /);
    assert.match(await send('192.0.2.3', 'a@spammer.example'), /^550 .* Sender domain spammer\.example .* Spam domain/);
    assert.match(await send('192.0.2.3', 'a@mail.bulk.example'), /^550 .* Sender domain mail\.bulk\.example/);
    assert.match(await weigh('192.0.2.2'), /^550 5\.7\.1 score 6: helo 1\.5, dnsbl 4\.5 \(/);
    assert.match(await weigh('192.0.2.66'), /^550 5\.7\.1 score 6: /);
    assert.match(await weigh('192.0.2.70'), /^250 /); // 1.5 + 4.5 - 3
    assert.match(
      await weigh('192.0.2.70', 'a@spammer.example'),
      /^550 5\.7\.1 score 5: helo 1\.5, dnsbl 1\.5, rhsbl 2 \(/,
    );
    assert.match(await weigh('192.0.2.5'), /^250 /);
    for (const [link, reply] of [
      ['http://spammer.example/x', /^550 5\.7\.1 Link to spammer\.example is listed by dbl\.example: Spam domain \(/],
      ['http://a.b.mail.bulk.example', /^550 5\.7\.1 Link to bulk\.example /],
      ['http://honest.example', /^250 /],
    ] as const)
      assert.match(await mx.send({ to: 'alice@links.test', message: `Subject: x\r\n\r\nSee ${link}` }), reply);
    server.kill('SIGKILL');
    assert.match(await send('192.0.2.88'), /^250 /);
    assert.match(String(mx.log.findLast(({ msg }) => msg === 'note')?.['why']), /dbl\.example|bl\.example/);
  } finally {
    server.kill('SIGKILL');
    await mx.close();
    rmSync(folder, { recursive: true, force: true });
  }
});
