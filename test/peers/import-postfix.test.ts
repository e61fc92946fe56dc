/**
 * What a real Postfix refuses by its tables, postern refuses by what it has imported of them, and takes what Postfix
 * takes: the same envelopes are said to both.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NewHome } from '../cli/import/support.js';
import { Mx } from '../support/mx.js';
import { needPeer } from '../support/peers.js';
import { Postfix } from '../support/postfix.js';
import { RawClient } from '../support/raw-client.js';

const users = ['alice@example.com', 'bob@example.com', 'postmaster@example.com', 'abuse@example.com'];

const senders = `spam@bad.example REJECT
evil.example 550 5.7.1 go away
friend@evil.example OK
`;
const recipients = 'bob@example.com REJECT closed\n';
const clients = '127.0.0.9 REJECT\n';

/** [what, client, sender, recipient, is it taken?] */
const table: readonly (readonly [what: string, client: string, from: string, to: string, isTaken: boolean])[] = [
  ['a user', '127.0.0.1', 'a@sender.example', 'alice@example.com', true],
  ['a user in capitals', '127.0.0.1', 'a@sender.example', 'Alice@Example.COM', true],
  ['nobody', '127.0.0.1', 'a@sender.example', 'nobody@example.com', false],
  ['another domain', '127.0.0.1', 'a@sender.example', 'x@elsewhere.example', false],
  ['a sender that is listed', '127.0.0.1', 'spam@bad.example', 'alice@example.com', false],
  ['another of his domain', '127.0.0.1', 'ham@bad.example', 'alice@example.com', true],
  ['a domain that is listed', '127.0.0.1', 'x@evil.example', 'alice@example.com', false],
  ['who is excepted from it', '127.0.0.1', 'friend@evil.example', 'alice@example.com', true],
  ['a mailbox that is closed', '127.0.0.1', 'a@sender.example', 'bob@example.com', false],
  ['a client that is listed', '127.0.0.9', 'a@sender.example', 'alice@example.com', false],
  ['the null sender', '127.0.0.1', '', 'alice@example.com', true],
];

test('a Postfix and what is imported of it say the same', async (t) => {
  if (!needPeer(t, 'postfix')) return;
  const home = new NewHome();
  t.after(() => home.remove());
  const old = home.old({ senders, recipients, clients, vmailbox: users.map((user) => `${user} x\n`).join('') });
  const restrictions =
    `smtpd_recipient_restrictions = check_client_access texthash:${old}/clients, ` +
    `check_sender_access texthash:${old}/senders, check_recipient_access texthash:${old}/recipients`;
  home.write(
    'old/main.cf',
    `virtual_mailbox_domains = example.com\nvirtual_mailbox_maps = texthash:${old}/vmailbox\n${restrictions}\n`,
  );
  home.write('old/master.cf', 'smtp inet n - y - - smtpd\n');
  assert.equal((await home.import('postfix', old, '--apply')).code, 0);

  const postfix = await Postfix.start({
    domains: ['example.com'],
    recipients: users,
    settings: [restrictions, 'smtpd_relay_restrictions = reject_unauth_destination'],
  });
  t.after(() => postfix.close());
  const mx = await Mx.start({ settings: [`srv=${home.root}/srv`] });
  t.after(() => mx.close());
  for (const [what, from, sender, recipient, isTaken] of table) {
    const said = { postfix: await envelope(postfix.port, { from, sender, recipient }), postern: '' };
    said.postern = await wholeMail(mx.port, { from, sender, recipient });
    assert.deepEqual(
      [what, said.postfix.startsWith('2'), said.postern.startsWith('2')],
      [what, isTaken, isTaken],
      JSON.stringify(said),
    );
  }
});

interface Envelope {
  readonly from: string;
  readonly sender: string;
  readonly recipient: string;
}

/** Postfix's verdict, at RCPT. */
async function envelope(port: number, { from, sender, recipient }: Envelope): Promise<string> {
  const client = await RawClient.open({ port, from });
  const reply = await client.sayAll('EHLO client.example', `MAIL FROM:<${sender}>`, `RCPT TO:<${recipient}>`);
  client.end();
  return reply;
}

/** Ours, which is said behind the mail unless the domain is not hosted. */
async function wholeMail(port: number, { from, sender, recipient }: Envelope): Promise<string> {
  const client = await RawClient.open({ port, from });
  const reply = await client.sayAll('EHLO client.example', `MAIL FROM:<${sender}>`, `RCPT TO:<${recipient}>`);
  const data = reply.startsWith('2') ? await client.say('DATA') : reply;
  const end = data.startsWith('354') ? await client.say('Subject: x\r\n\r\ntext\r\n.') : reply;
  client.end();
  return end;
}
