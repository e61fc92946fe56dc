import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  filterMessages,
  type MailBody,
  type MailFilter,
  quarantine,
} from '../../../src/milter/messages/filter-messages.js';
import { accept, discard, reject, replyWith, tempfail } from '../../../src/milter/policy.js';
import { MilterTester } from '../../../src/milter/testing/tester.js';

async function tester(filter: MailFilter, options = {}): Promise<MilterTester> {
  const mta = await MilterTester.of(filterMessages(filter, options));
  await mta.connect('203.0.113.7', 'host.example');
  await mta.helo('helo.example');
  return mta;
}

test('the filter sees the whole mail', async () => {
  const seen: unknown[] = [];
  const mta = await tester(async (mail) => {
    const { client, helo, sender, recipients, authenticated, queueId, header, body } = mail;
    seen.push([client.ip?.text, helo, sender.address, sender.parameters, recipients.map(({ address }) => address)]);
    seen.push([authenticated, queueId, header.get('subject'), mail.offers('quarantine'), mail.macro('j')]);
    seen.push([body.size, body.isWhole, (await body.octets()).toString()]);
  });
  mta.macros('mail', { auth_authen: 'anna', i: 'QUEUEID', j: 'mx.example' });
  await mta.mail('a@x.example', 'SIZE=10');
  await mta.rcpt('b@y.example');
  await mta.rcpt('c@y.example');
  await mta.data();
  assert.deepEqual(await mta.header('Subject', 'hello'), { kind: 'unanswered' });
  await mta.eoh();
  await mta.body('one\r\n');
  await mta.body('two\r\n');
  assert.deepEqual((await mta.eom()).answer, { kind: 'continue' });
  mta.close();
  assert.deepEqual(seen, [
    ['203.0.113.7', 'helo.example', 'a@x.example', ['SIZE=10'], ['b@y.example', 'c@y.example']],
    ['anna', 'QUEUEID', 'hello', true, 'mx.example'],
    [10, true, 'one\r\ntwo\r\n'],
  ]);
});

test('each answer is the end of the mail, and the next mail of the session begins anew', async () => {
  const answers = [accept, reject, tempfail, discard, replyWith(550, '5.7.1', '100% no'), undefined, quarantine('odd')];
  const rest = [...answers];
  const mta = await tester(() => rest.shift());
  const ends = [];
  for (const _ of answers) ends.push(await mta.deliver());
  mta.close();
  const reply = { kind: 'reply', code: 550, enhanced: '5.7.1', text: '100% no' };
  assert.deepEqual(
    ends.map(({ answer }) => answer),
    [accept, reject, tempfail, discard, reply, { kind: 'continue' }, { kind: 'continue' }],
  );
  assert.deepEqual(ends.at(-1)?.mail.quarantined, 'odd');
  assert.deepEqual(ends.at(-1)?.mail.recipients, ['recipient@example.com']);
});

test('changes of header, envelope and body are made where the mail passes', async () => {
  const changing: MailFilter = (mail) => {
    mail.header.set('Subject', 'new');
    mail.header.insert('X-Top', '1');
    mail.removeRecipient('b@y.example');
    mail.addRecipient('c@y.example');
    mail.setSender('');
    mail.replaceBody(Buffer.from('lost\r\n'));
    mail.replaceBody(Buffer.from('new\r\n'));
    return mail.recipients.length > 1 ? reject : accept;
  };
  const mta = await tester(changing);
  const { mail } = await mta.deliver({ from: 'a@x.example', to: ['b@y.example'], header: [['Subject', 'old']] });
  assert.deepEqual(
    { ...mail, body: mail.body.toString() },
    {
      sender: '',
      recipients: ['c@y.example'],
      header: [
        { name: 'X-Top', value: '1' },
        { name: 'Subject', value: 'new' },
      ],
      body: 'new\r\n',
      quarantined: undefined,
    },
  );
  const refused = await mta.deliver({ to: ['b@y.example', 'd@y.example'] });
  assert.deepEqual([refused.answer, refused.edits], [reject, []]);
  mta.close();
});

test('a long body is kept in a file without a name, and one beyond the bound is cut and asked for no more', async (t) => {
  const spool = mkdtempSync(join(tmpdir(), 'spool-'));
  t.after(() => rmSync(spool, { recursive: true }));
  const seen: unknown[] = [];
  const body = Buffer.from(Array.from({ length: 300_000 }, (_, i) => i % 251));
  const mta = await tester(
    async (mail) => {
      const octets = await mail.body.octets();
      seen.push([
        mail.body.size,
        mail.body.isWhole,
        octets.equals(body.subarray(0, mail.body.size)),
        readdirSync(spool),
      ]);
    },
    { memory: 1000, maxBody: 200_000, spool },
  );
  await mta.deliver({ body: body.subarray(0, 200_000) });
  await mta.deliver({ body });
  assert.deepEqual(await mta.mail(), { kind: 'continue' });
  await mta.body(body.subarray(0, 60_000));
  mta.abort();
  await mta.deliver({ body: 'x' });
  mta.close();
  assert.deepEqual(seen, [
    [200_000, true, true, []],
    [200_000, false, true, []],
    [1, true, false, []],
  ]);
});

test('no file for the body, or a filter that throws: try again later', async () => {
  const failures: string[] = [];
  const problems = (event: string): void => void failures.push(event);
  const policy = filterMessages(() => Promise.reject(new Error('no')), { memory: 10, spool: '/no/such/folder' });
  const mta = await MilterTester.of(policy, { problems });
  await mta.connect();
  assert.deepEqual((await mta.deliver({ body: 'x'.repeat(11) })).answer, tempfail);
  assert.deepEqual((await mta.deliver({ body: 'short' })).answer, tempfail);
  assert.deepEqual(failures, ['body', 'eom']);
  mta.close();
});

test('who reads a body when its mail is over is told so, and is given no empty one', async () => {
  const kept: MailBody[] = [];
  const mta = await tester(({ body }) => void kept.push(body));
  await mta.deliver({ body: 'in memory\r\n' });
  mta.close();
  assert.equal(kept.length, 1);
  for (const body of kept) await assert.rejects(body.octets(), /the mail of this body is over/);
});

test('a filter that never answers is a failure when its time is over, and the next mail is judged', async () => {
  const failures: string[] = [];
  const problems = (event: string, error: unknown): void => void failures.push(`${event}: ${String(error)}`);
  const signals: AbortSignal[] = [];
  const hanging: MailFilter = ({ header, signal }) => {
    signals.push(signal);
    return header.get('subject') === 'hang' ? new Promise(() => {}) : reject;
  };
  const mta = await MilterTester.of(filterMessages(hanging, { timeoutMs: 200 }), { problems });
  await mta.connect();
  assert.deepEqual((await mta.deliver({ header: [['Subject', 'hang']] })).answer, tempfail);
  assert.deepEqual((await mta.deliver()).answer, reject);
  assert.deepEqual(failures, ['eom: Error: the filter has not answered within 0.2 seconds']);
  assert.deepEqual(
    signals.map(({ aborted }) => aborted),
    [true, false],
  );
  mta.close();
});

test('the body is not asked for where none of it is to be kept', async () => {
  const mta = await tester((mail) => assert.equal(mail.body.size, 0), { maxBody: 0 });
  await mta.mail();
  assert.deepEqual(await mta.body('x'), { kind: 'unseen' });
  assert.deepEqual((await mta.eom()).answer, { kind: 'continue' });
  mta.close();
});
