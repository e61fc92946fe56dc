/** What one look at the tree remembers; what the markers mean is test/contract. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type Ip, parseIp } from '../../src/mail/ip.js';
import { Srv } from '../../src/srv/srv.js';

const client = parseIp('192.0.2.1') as Ip;

function srvOf(t: TestContext): { readonly srv: Srv; readonly domain: string } {
  const root = mkdtempSync(join(tmpdir(), 'postern-srv-'));
  t.after(() => rmSync(root, { recursive: true }));
  const domain = join(root, 'example.com');
  for (const folder of ['checks', 'users/valid', 'blacklisted/ips'])
    mkdirSync(join(domain, folder), { recursive: true });
  return { srv: new Srv({ root, recipientDelimiter: '', blacklistDir: '' }), domain };
}

/** [what is asked, the marker, the question] */
const questions: readonly [what: string, marker: string, ask: (srv: Srv) => boolean][] = [
  ['a check', 'checks/date', (srv) => srv.checkMode('example.com', 'date', true) === 'on'],
  ['all checks', 'checks/all', (srv) => srv.checkMode('example.com', 'date', true) === 'on'],
  ['a mailbox', 'users/valid/alice', (srv) => srv.recipient('example.com', 'alice', client).kind === 'valid'],
  [
    'a network',
    'blacklisted/ips/192.0.2.0_24',
    (srv) => srv.addressListed('example.com', 'blacklisted', client) !== undefined,
  ],
];
for (const [what, marker, ask] of questions)
  test(`${what}: a marker dropped or removed during a command counts from the next one on`, (t) => {
    const { srv, domain } = srvOf(t);
    const first = srv.forOneCommand();
    assert.equal(ask(first), false);
    writeFileSync(join(domain, marker), '');
    assert.equal(ask(first), false);
    const second = srv.forOneCommand();
    assert.equal(ask(second), true);
    rmSync(join(domain, marker));
    assert.equal(ask(second), true);
    assert.equal(ask(srv.forOneCommand()), false);
    assert.equal(ask(srv), false);
  });

test('what cannot be read is not remembered as absent', (t) => {
  const { srv } = srvOf(t);
  const look = srv.forOneCommand();
  const long = 'x'.repeat(300);
  for (let i = 0; i < 2; i++) assert.throws(() => look.checkMode('example.com', long, false), /ENAMETOOLONG/);
});
