/** How the names of destinations become addresses. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { namesOf } from '../../src/cli/relay/relaying.js';
import { zoneResolver } from '../../src/dns/zone.js';

const dir = mkdtempSync(join(tmpdir(), 'postern-hosts-'));
test.after(() => rmSync(dir, { recursive: true }));
const file = join(dir, 'hosts');
const resolver = zoneResolver({ 'mail.example': { A: ['192.0.2.1'] }, 'other.example': { A: ['192.0.2.2'] } });

const addressOf = (host: string, hostsPath = file): Promise<unknown> =>
  new Promise((resolve) => {
    namesOf(resolver, hostsPath).lookup(host, {}, (error, address) => resolve(error ? error.message : address));
  });

test('what /etc/hosts says goes before DNS; a change of it counts at once', async () => {
  writeFileSync(file, '10.0.0.1 mail.example mail\n');
  assert.equal(await addressOf('mail.example'), '10.0.0.1');
  assert.equal(await addressOf('Mail'), '10.0.0.1');
  assert.equal(await addressOf('other.example'), '192.0.2.2');
  const { lookup } = namesOf(resolver, file);
  const ask = (): Promise<unknown> => new Promise((resolve) => lookup('mail', {}, (_, address) => resolve(address)));
  assert.equal(await ask(), '10.0.0.1');
  writeFileSync(file, '10.0.0.2 mail\n');
  utimesSync(file, 1, 1);
  assert.equal(await ask(), '10.0.0.2');
});

test('without the file it is DNS, and localhost is this machine', async () => {
  assert.equal(await addressOf('mail.example', join(dir, 'none')), '192.0.2.1');
  assert.equal(await addressOf('localhost', join(dir, 'none')), '127.0.0.1');
  assert.equal(await addressOf('nobody.example', join(dir, 'none')), 'nobody.example: the DNS knows no address of it');
});
