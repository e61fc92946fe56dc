import assert from 'node:assert/strict';
import { renameSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Mx } from '../support/mx.js';

let mx: Mx;
before(async () => {
  mx = await Mx.start({ markers: ['example.com/users/valid/alice', 'example.com/checks/date'] });
});
after(() => mx.close());

test('a good mail is at the local MTA before its 250', async () => {
  assert.match(await mx.send(), /^250 2\.0\.0 /);
  assert.equal(mx.delivered().length, 1);
});

test('a refused recipient is accepted at RCPT, archived, and answered 550 5.1.1 with an ID', async () => {
  const reply = await mx.send({ to: 'nobody@example.com' });
  const id = /^550 5\.1\.1 No such user \(([0-9A-Z]{14})\)$/.exec(reply)?.[1];
  assert.ok(id, reply);
  assert.ok(mx.archived().some(({ path }) => path.includes(id)));
  assert.equal(mx.index().length, 1);
});

test('while the whole tree is not there its mail is deferred, not refused', async () => {
  const srv = join(mx.root, 'srv');
  renameSync(srv, `${srv}.away`);
  const away = await mx.send({ from: 'other@sender.example' });
  renameSync(`${srv}.away`, srv);
  assert.match(away, /^451 /);
  assert.match(await mx.send({ from: 'other@sender.example' }), /^250 /);
  assert.match(await mx.send({ to: 'x@elsewhere.example' }), /^550 5\.7\.1 Relaying denied/);
});
