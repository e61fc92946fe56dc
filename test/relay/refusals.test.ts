import assert from 'node:assert/strict';
import { test } from 'node:test';
import { reply } from '../../src/mail/reply.js';
import { Refusals } from '../../src/relay/refusals.js';

const unknown = reply(550, '5.1.1', 'No such user');
const later = reply(450, '4.2.0', 'Later');
const minute = 60_000;

const lifetimes: readonly (readonly [string, typeof unknown, number, boolean])[] = [
  ['a 5xx is known for an hour', unknown, 60 * minute - 1, true],
  ['and no longer', unknown, 60 * minute, false],
  ['a 4xx is known for five minutes', later, 5 * minute - 1, true],
  ['and no longer, too', later, 5 * minute, false],
];

for (const [what, refused, after, known] of lifetimes) {
  test(what, () => {
    let time = 1_000;
    const refusals = new Refusals({ now: () => time });
    refusals.remember(new Map([['foo@example.com', refused]]), 'mta:25');
    time += after;
    assert.equal(refusals.recall('foo@example.com', 'mta:25'), known ? refused : undefined);
  });
}

test('recipients are compared without case', () => {
  const refusals = new Refusals({ now: () => 0 });
  refusals.remember(new Map([['Foo@Example.com', unknown]]), 'mta:25');
  assert.equal(refusals.recall('foo@EXAMPLE.com', 'mta:25'), unknown);
  refusals.forget('FOO@example.com');
  assert.equal(refusals.recall('foo@example.com', 'mta:25'), undefined);
});

test('what one destination said is nothing that another has said', () => {
  const refusals = new Refusals({ now: () => 0 });
  refusals.remember(new Map([['foo@example.com', unknown]]), 'old:25');
  assert.equal(refusals.recall('foo@example.com', 'new:25'), undefined);
  assert.equal(refusals.recall('foo@example.com', 'old:25'), unknown);
});

test('the later answer counts', () => {
  const refusals = new Refusals({ now: () => 0 });
  refusals.remember(new Map([['foo@example.com', later]]), 'mta:25');
  refusals.remember(new Map([['foo@example.com', unknown]]), 'mta:25');
  assert.equal(refusals.recall('foo@example.com', 'mta:25'), unknown);
});

test('beyond its size the oldest are forgotten, renewed ones are not old', () => {
  const refusals = new Refusals({ now: () => 0, max: 2 });
  for (const name of ['a', 'b', 'a', 'c']) refusals.remember(new Map([[name, unknown]]), 'mta:25');
  assert.deepEqual(
    ['a', 'b', 'c'].map((name) => refusals.recall(name, 'mta:25') !== undefined),
    [true, false, true],
  );
});

test('names of object properties are recipients like any other', () => {
  const refusals = new Refusals({ now: () => 0 });
  assert.equal(refusals.recall('__proto__', 'mta:25'), undefined);
});
