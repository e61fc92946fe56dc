/** The log line of a mail is made by us, and is what pino would write: octet for octet, whatever a client has sent. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { createLogger, type LogSettings } from '../../src/log.js';
import { parseHeader } from '../../src/mail/header.js';
import { parseIp } from '../../src/mail/ip.js';
import { reply, replyText } from '../../src/mail/reply.js';
import type { EndedMail } from '../../src/smtp/journal-lines.js';
import { logFields, pointsText } from '../../src/smtp/log-line.js';
import { SmtpTransaction } from '../../src/smtp/transaction.js';

const hostile = [
  '',
  'plain',
  '"},{"\\',
  '\r\n{"level":60,"msg":"forged"}',
  '\u001b[2J\u0007\u007f\u009b',
  '\u202eexe.gpj\u2066\ufeff\u00ad',
  'a\u2028b\u2029c',
  'a\ud800b\udc00',
  'grüße 你好 👋',
  `${'x'.repeat(300)}"\u202e`,
];

function mailOf(text: string): EndedMail {
  const transaction = new SmtpTransaction(
    '6AD976HBEEVN63',
    { reversePath: text, domain: text, smtpUtf8: false, eightBit: false },
    0,
  );
  for (const name of ['alice', text])
    transaction.add({ text: name, localPart: name, domain: text, objection: undefined }, 'deliverable', text);
  for (const method of ['spf', 'ip', 'plugin', 'err', 'level', text])
    transaction.recordAuthentication({ method, result: text, details: [] });
  transaction.note({ plugin: text, verdict: { kind: 'score', points: 1.5, log: text } });
  transaction.note({ plugin: text, verdict: { kind: 'pardon', lifts: 'all', log: text } });
  return {
    session: {
      id: '6AD976HBEEVN62',
      clientIp: parseIp('2001:db8::1') ?? assert.fail(),
      knownClientName: undefined,
      helo: text,
      tls: undefined,
    },
    transaction,
    header: parseHeader(Buffer.alloc(0)),
    size: 48_213,
    ms: 84.4,
    disposition: {
      verdict: 'rejected',
      reply: { ...reply(550, '5.7.1', 'No'), text, further: [text, 'more'] },
      plugin: text,
      reason: text,
      relayed: { ms: 31, destination: text },
    },
  };
}

/** What is said of the mail, for pino. */
function entryOf({ session, transaction, size, ms, disposition }: EndedMail): object {
  const { verdict, plugin, reason, relayed } = disposition;
  const { id, sender: from, recipients, domain, pardoned, score: sum, points } = transaction;
  const own = {
    ip: session.clientIp.text,
    id,
    session: session.id,
    helo: session.helo,
    tls: session.tls ? `1.3 ${session.tls.cipher}` : 'no',
    from: from.reversePath,
    rcpts: recipients.map(({ text }) => text),
    domain,
    size,
    verdict,
    plugin,
    reason,
    pardoned,
    destination: relayed?.destination,
    score: sum,
    points: pointsText(points),
    reply: replyText(disposition.reply),
    ms: Math.round(ms),
  };
  const results = Object.entries(transaction.authenticated).filter(([method]) => !(method in own));
  return { ...own, ...Object.fromEntries(results) };
}

const forms: readonly Partial<LogSettings>[] = [
  {},
  { log_format: 'pretty' },
  { syslog_prefix: true },
  { syslog_prefix: true, log_format: 'pretty' },
  { log_level: 'warn' },
];

/** Both ways, at the same moment. */
function written(t: TestContext, settings: Partial<LogSettings>, mail: EndedMail): readonly string[] {
  t.mock.method(Date, 'now', () => Date.UTC(2026, 10, 28, 21, 41, 40, 118));
  const lines: string[] = [];
  const stream = { write: (line: string) => void lines.push(line) };
  const usual = { log_level: 'info', log_format: 'json', syslog_prefix: false, log_file: '' } as const;
  const log = createLogger({ ...usual, ...settings }, { stream, isTerminal: false });
  log.info(entryOf(mail), mail.disposition.verdict);
  log.infoMade(logFields(mail), mail.disposition.verdict);
  t.mock.restoreAll();
  return lines;
}

for (const [i, text] of hostile.entries())
  test(`hostile text ${i + 1}, in all forms of the log`, (t) => {
    for (const settings of forms) {
      const lines = written(t, settings, mailOf(text));
      assert.equal(lines.length, settings.log_level === 'warn' ? 0 : 2);
      assert.equal(lines[1], lines[0]);
    }
  });

test('a mail of which there is nothing more to say', (t) => {
  const { disposition, ...mail } = mailOf('x');
  const transaction = new SmtpTransaction('6AD976HBEEVN63', mail.transaction.sender, 0);
  const tls = { protocol: 'TLSv1.3', cipher: 'TLS_AES_256_GCM_SHA384' };
  const { reply: said } = disposition;
  const bare: EndedMail = {
    ...mail,
    session: { ...mail.session, tls },
    transaction,
    disposition: { verdict: 'refused', reply: said },
  };
  const [first, second] = written(t, {}, bare);
  assert.equal(second, first);
  assert.match(first ?? '', /"tls":"1\.3 TLS_AES_256_GCM_SHA384".*"rcpts":\[\],/);
});

test('what a plugin has put on every object stands in no line', () => {
  const everyObject = Object.getPrototypeOf({}) as object;
  Object.defineProperty(everyObject, 'extend', { value: () => 1, enumerable: true, configurable: true });
  try {
    assert.doesNotMatch(logFields(mailOf('plain')), /extend/);
  } finally {
    Reflect.deleteProperty(everyObject, 'extend');
  }
});
