/**
 * Mail that begins with a mailbox separator, as scripts and formail send it: the line becomes a field, as in Postfix.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Mx, message } from '../support/mx.js';

let mx: Mx;
before(async () => {
  mx = await Mx.start({ markers: ['example.com/users/valid/alice'], plugins: ['valid_users'] });
});
after(() => mx?.close());

const table: readonly [what: string, line: string, to: string][] = [
  ['From_, relayed', 'From sender@sender.example Sat Nov 28 12:00:00 2026', 'alice@example.com'],
  ['>From_, archived', '>From sender Sat Nov 28 12:00:00 2026', 'nobody@example.com'],
];
for (const [what, line, to] of table) {
  test(`${what}: a field below ours, and the header goes on behind it`, async () => {
    const reply = await mx.send({ to, message: `${line}\r\n${message()}` });
    assert.match(reply, to.startsWith('alice') ? /^250 / : /^550 5\.1\.1 /);
    const mails = [...mx.delivered(), ...mx.archived().map(({ text }) => text)];
    const [header = ''] = mails.find((text) => text.includes(`X-Mailbox-Line: ${line}\r\n`))?.split('\r\n\r\n') ?? [];
    assert.match(header, /^X-LOCALPART: (?:alice|nobody)\r\n(?:X-REJECT-.*\r\n){0,2}X-Mailbox-Line: /m);
    assert.match(header, /^Subject: test\r$/m);
  });
}
