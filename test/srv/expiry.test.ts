import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { ownLimits, readExpiry } from '../../src/srv/expiry.js';
import { Srv } from '../../src/srv/srv.js';

function srvWith(t: TestContext): { srv: Srv; folder: string } {
  const root = mkdtempSync(join(tmpdir(), 'expiry-'));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  const folder = join(root, 'd.example');
  mkdirSync(folder);
  return { srv: new Srv({ root, recipientDelimiter: '', blacklistDir: '', oncePerTurn: false }), folder };
}

/** [what, the lines, what they mean] */
for (const [what, lines, limits] of [
  ['days', ['expire = 90d'], { kind: 'limits', days: 90 }],
  ['a size', ['expire_size=2k'], { kind: 'limits', octets: 2048 }],
  ['both', ['expire = 12h', 'expire_size = 1g'], { kind: 'limits', days: 0.5, octets: 1024 ** 3 }],
  ['no end', ['expire = 0'], { kind: 'limits', days: 0 }],
  ['nothing', [], { kind: 'limits' }],
] as const) {
  test(`${what}: ${lines.join(', ')}`, () => assert.deepEqual(readExpiry(lines), { ok: true, value: limits }));
}

/** [what, the lines, what is said] */
for (const [what, lines, problem] of [
  ['a unit too much', ['expire = 90dd'], /^expire must be 0, or a duration/],
  ['a size without a number', ['expire_size = m'], /^expire_size must be a size/],
  ['nothing behind the sign', ['expire ='], /^expire must be 0, or a duration/],
  ['a number that may be days or seconds', ['expire = 90'], /^expire must be 0, or a duration .* with its unit/],
  ['a bare number', ['30'], /^"30" must be expire = DURATION/],
  ['another setting', ['expires = 30d'], /^"expires = 30d" must be/],
  ['one twice', ['expire = 1d', 'expire = 90d'], /^expire is there twice/],
] as const) {
  test(`${what} is told`, () => {
    const read = readExpiry(lines);
    assert.ok(!read.ok);
    assert.match(read.problem, problem);
  });
}

test('a file counts from the next look on, and no file says nothing', (t) => {
  const { srv, folder } = srvWith(t);
  assert.equal(ownLimits(srv, 'd.example'), undefined);
  writeFileSync(join(folder, 'expire'), '# by contract\nexpire = 90d # three months\n');
  assert.deepEqual(ownLimits(srv, 'd.example'), { kind: 'limits', days: 90 });
});

test('what cannot be understood or read is broken, and never "no file"', (t) => {
  const { srv, folder } = srvWith(t);
  const file = join(folder, 'expire');
  writeFileSync(file, 'expire = 9O d\n');
  const limits = ownLimits(srv, 'd.example');
  assert.equal(limits?.kind, 'broken');
  assert.match(limits.problem, /^d\.example\/expire: expire must be .* no mail of the domain is too old until/);
  rmSync(file);
  mkdirSync(file);
  assert.equal(ownLimits(srv, 'd.example')?.kind, 'broken');
});
