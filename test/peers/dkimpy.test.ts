/** DKIM signatures and ARC seals of another implementation (dkimpy), verified by dkim_check on their way through. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { DkimSigner } from '../support/dkim-signer.js';
import { Mx } from '../support/mx.js';
import { needPeer } from '../support/peers.js';

const author = new DkimSigner('author.example');
const list = new DkimSigner('list.example');

const message = [
  'Authentication-Results: lists.example; dkim=pass header.d=author.example; spf=pass',
  'From: Ann <ann@author.example>',
  'To: alice@example.com',
  'Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=,\r\n\tfolded   twice',
  'Date: Thu, 26 Nov 2026 12:00:00 +0000',
  'Message-ID: <1@author.example>',
  '',
  ' A line\twith  white space \r\n..\r\n\r\nlast\r\n\r\n',
].join('\r\n');

test('signatures and chains of dkimpy are verified, and what was changed behind them is seen', async (t) => {
  if (!needPeer(t, 'dkimsign', 'arcsign')) return;
  const folder = mkdtempSync(join(tmpdir(), 'postern-dkimpy-'));
  const mx = await Mx.start({
    zone: { ...author.zone, ...list.zone },
    markers: ['example.com/users/valid/alice', 'example.com/checks/dkim_check'],
    plugins: ['valid_users', 'dkim_check'],
  });
  t.after(async () => {
    await mx.close();
    rmSync(folder, { recursive: true });
  });
  const keyOf = (signer: DkimSigner): string => {
    const file = join(folder, signer.domain);
    writeFileSync(file, signer.privatePem);
    return file;
  };
  const signed = (text: string, ...words: readonly string[]): string =>
    run('dkimsign', [...words, author.selector, author.domain, keyOf(author)], text);
  const sealed = (text: string): string =>
    run('arcsign', [list.selector, list.domain, keyOf(list), 'lists.example'], text);
  const resultOf = async (text: string): Promise<unknown> => {
    // What is sent is dot-stuffed, and ends where the dot is.
    const reply = await mx.send({ message: text.replace(/\r\n$/, '').replace(/^\./gm, '..') });
    assert.match(reply, /^250 /);
    const { dkim, arc } = mx.fates().at(-1) ?? {};
    return { dkim, arc };
  };
  for (const canonicalization of ['simple', 'relaxed']) {
    const words = ['--hcanon', canonicalization, '--bcanon', canonicalization];
    assert.deepEqual(await resultOf(signed(message, ...words)), { dkim: 'pass', arc: undefined }, canonicalization);
  }
  const chain = sealed(signed(message));
  assert.match(chain, /^ARC-Seal: /m);
  assert.deepEqual(await resultOf(chain), { dkim: 'pass', arc: 'pass' });
  assert.deepEqual(await resultOf(`X-Later: 1\r\n${chain}`), { dkim: 'pass', arc: 'pass' });
  assert.deepEqual(await resultOf(chain.replace('last', 'lost')), { dkim: 'fail', arc: 'fail' });
  assert.deepEqual(await resultOf(chain.replace('dkim=pass', 'dkim=fail')), { dkim: 'pass', arc: 'fail' });
});

const run = (program: string, words: readonly string[], input: string): string =>
  execFileSync(program, [...words], { input: Buffer.from(input, 'latin1') }).toString('latin1');
