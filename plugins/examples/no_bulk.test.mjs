/** node --test no_bulk.test.mjs */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defineCheck, testMail, verdictOf } from 'postern';
import check from './no_bulk.mjs';

const mails = [
  { what: 'bulk mail', header: ['From: <a@sender.example>', 'Precedence: bulk'], expected: 'reject' },
  { what: 'other mail', header: ['From: <a@sender.example>'], expected: 'pass' },
];
for (const { what, header, expected } of mails)
  test(`${what}: ${expected}`, async () => {
    const said = await verdictOf(defineCheck(check), testMail({ header, checks: ['no_bulk'] }));
    assert.equal(said?.kind, expected);
  });
