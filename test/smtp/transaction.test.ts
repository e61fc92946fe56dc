/** What is legal in a transaction, and what is kept apart from what plugins are shown. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SmtpTransaction } from '../../src/smtp/transaction.js';

const sender = { reversePath: 'a@sender.example', domain: 'sender.example', smtpUtf8: false, eightBit: false };

function withTwo(): SmtpTransaction {
  const transaction = new SmtpTransaction('ID', sender, 0);
  for (const localPart of ['alice', 'bob', 'alice']) {
    const text = `${localPart}@example.com`;
    transaction.add({ text, localPart, domain: 'example.com', objection: undefined }, 'deliverable', 'example.com');
  }
  return transaction;
}

test('the envelope has each recipient that was taken, once', () => {
  assert.deepEqual(withTwo().envelope, ['alice@example.com', 'bob@example.com']);
});

/** [what has become of the recipients, how] */
const changes: readonly (readonly [what: string, change: (recipients: { text: string }[]) => unknown])[] = [
  ['one is gone', (recipients) => recipients.pop()],
  ['one is another', ([first]) => first && Object.assign(first, { text: 'x@elsewhere.example' })],
  ['one is there that was not taken', (recipients) => recipients.push({ text: 'x@elsewhere.example' })],
];
for (const [what, change] of changes) {
  test(`there is no envelope where ${what}`, () => {
    const transaction = withTwo();
    change(transaction.recipients as unknown as { text: string }[]);
    assert.equal(transaction.envelope, undefined);
  });
}

test('what is added once the mail is judged is dropped', () => {
  const transaction = withTwo();
  transaction.addField('X-A', 'in time');
  transaction.close();
  transaction.addField('X-A', 'late');
  transaction.addArchivedField('X-A', () => 'late');
  transaction.recordAuthentication({ method: 'x', result: 'pass', details: [] });
  assert.deepEqual(
    [transaction.fields, transaction.archivedFields, transaction.authentication],
    [[['X-A', 'in time']], [], []],
  );
});
