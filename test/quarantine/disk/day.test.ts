import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, test } from 'node:test';
import { dayBefore, isYday, rfc3339, ydayOf } from '../../../src/quarantine/disk/day.js';

const zone = process.env['TZ'];
after(() => {
  if (zone === undefined) delete process.env['TZ'];
  else process.env['TZ'] = zone;
});

const days: readonly (readonly [string, string, string, number])[] = [
  ['the first day has no zeros', 'UTC', '2026-01-01T00:00:00Z', 1],
  ['the last day of a common year', 'UTC', '2026-12-31T23:59:59Z', 365],
  ['the last day of a leap year', 'UTC', '2028-12-31T23:59:59Z', 366],
  ['the day after a leap day', 'UTC', '2028-03-01T00:00:00Z', 61],
  ['local midnight counts, not UTC', 'Europe/Berlin', '2026-01-01T23:30:00Z', 2],
  ['west of Greenwich it is still yesterday', 'America/New_York', '2027-01-01T03:00:00Z', 365],
  ['just after the clocks go forward', 'Europe/Berlin', '2026-03-29T01:00:00Z', 88],
  ['the first minute in summer time', 'Europe/Berlin', '2026-03-29T22:00:00Z', 89],
  ['the last minute in summer time', 'Europe/Berlin', '2026-10-25T00:59:00Z', 298],
  ['midnight that does not exist', 'America/Santiago', '2026-09-06T04:00:00Z', 249],
  ['a zone at half an hour', 'Asia/Kolkata', '2026-06-30T18:29:59Z', 181],
];

for (const [what, tz, time, expected] of days) {
  test(`day of the year: ${what}`, () => {
    process.env['TZ'] = tz;
    assert.equal(ydayOf(new Date(time)), expected);
    const seconds = String(Date.parse(time) / 1000);
    assert.equal(execFileSync('date', ['-d', `@${seconds}`, '+%-j'], { env: { TZ: tz } }).toString(), `${expected}\n`);
  });
}

test('every day of four years has a whole number, one more than the day before', () => {
  process.env['TZ'] = 'Europe/Berlin';
  for (let i = 0; i < 4 * 365; i++) {
    const time = new Date(2026, 0, 1 + i, i % 24);
    assert.equal(
      ydayOf(time),
      ydayOf(dayBefore(time)) + 1 - (time.getMonth() + time.getDate() === 1 ? ydayOf(dayBefore(time)) : 0),
    );
  }
});

for (const [name, expected] of [
  ['1', true],
  ['99', true],
  ['366', true],
  ['367', false],
  ['0', false],
  ['01', false],
  ['', false],
  ['1x', false],
  ['.1', false],
] as const) {
  test(`${JSON.stringify(name)} is ${expected ? 'a' : 'no'} day's folder`, () => assert.equal(isYday(name), expected));
}

for (const [tz, time, expected] of [
  ['UTC', '2026-11-20T12:00:00.123Z', '2026-11-20T12:00:00.123Z'],
  ['Europe/Berlin', '2026-07-01T22:30:00Z', '2026-07-02T00:30:00.000+02:00'],
  ['America/St_Johns', '2026-01-01T00:00:00Z', '2025-12-31T20:30:00.000-03:30'],
] as const) {
  test(`time in ${tz} carries its offset`, () => {
    process.env['TZ'] = tz;
    assert.equal(rfc3339(new Date(time)), expected);
    assert.equal(new Date(rfc3339(new Date(time))).getTime(), Date.parse(time));
  });
}
