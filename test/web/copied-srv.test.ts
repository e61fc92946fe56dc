/** Where /srv is a copy of another host's, page and commands change nothing, and say where the switches are. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { postern } from '../cli/support/postern-command.js';
import { filesBelow } from '../support/files-below.js';
import { Client, openSite } from './support.js';

test('the page changes nothing in a copy, and names the host that has the switches', async (t) => {
  const site = await openSite(t, ['srv_from=mx1.example']);
  fs.mkdirSync(path.join(site.srv, 'example.com/checks'));
  fs.writeFileSync(path.join(site.srv, 'example.com/checks/spf'), '');
  const had = filesBelow(site.srv);
  assert.equal(had.length, 1);
  const anna = await new Client(site).login();
  const csrf = await anna.csrf();
  const domain = 'example.com';
  const forms: readonly (readonly [where: string, form: Record<string, string>])[] = [
    ['/marker/create', { marker: 'example.com/whitelisted/senders/x@y.example' }],
    ['/marker/remove', { marker: 'example.com/checks/spf' }],
    ['/expiry', { domain, expire: '90d', expire_size: '' }],
    ['/zones', { domain, list: 'dnsbl_zones', text: 'zone.example' }],
  ];
  for (const [where, form] of forms) {
    assert.equal((await anna.post(where, { csrf, back: '/domains/example.com', ...form })).status, 303, where);
    const { body } = await anna.get('/domains/example.com');
    assert.match(body, /Nothing is changed: \/srv is a copy here, and mx1\.example has the switches\./, where);
    assert.match(body, /It is a copy here: change it on mx1\.example\./);
  }
  assert.deepEqual(filesBelow(site.srv), had);
  assert.ok(!fs.readFileSync(path.join(site.root, 'state/audit'), 'utf8').includes('marker'));
});

test('so do the commands; those that look work as ever', async (t) => {
  const site = await openSite(t);
  fs.mkdirSync(path.join(site.srv, 'example.com/checks'));
  fs.writeFileSync(path.join(site.srv, 'example.com/checks/spf'), '');
  const had = filesBelow(site.srv);
  assert.equal(had.length, 1);
  const run = (...words: string[]): ReturnType<typeof postern> =>
    postern(['srv', ...words, `--srv=${site.srv}`, `--state=${site.root}/state`, '--srv_from=mx1.example']);
  for (const words of [
    ['add-domain', 'new.example'],
    ['allow', 'example.com', '192.0.2.1'],
    ['block', 'example.com', '192.0.2.1'],
    ['enable', 'example.com', 'spf'],
    ['disable', 'example.com', 'spf'],
    ['expire', 'example.com', '90d'],
    ['remove', 'example.com', '--yes'],
  ]) {
    const { code, stdout, stderr } = await run(...words);
    assert.deepEqual([code, stdout], [74, ''], words[0]);
    assert.match(stderr, /is a copy here, and nothing is changed: do it on mx1\.example\n$/);
  }
  assert.match((await run('list')).stdout, /example\.com/);
  assert.deepEqual(filesBelow(site.srv), had);
});
