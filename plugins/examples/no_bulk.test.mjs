/** node --test no_bulk.test.mjs */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defineCheck, testMail, verdictOf } from 'postern';
import check from './no_bulk.mjs';

/** [what, fields of the header, what becomes of it] */
const mails = [
  ['bulk mail', ['From: <a@sender.example>', 'Precedence: bulk'], 'reject'],
  ['other mail', ['From: <a@sender.example>'], 'pass'],
];
for (const [what, header, expected] of mails)
  test(`${what}: ${expected}`, async () => {
    const said = await verdictOf(defineCheck(check), testMail({ header, checks: ['no_bulk'] }));
    assert.equal(said?.kind, expected);
  });
