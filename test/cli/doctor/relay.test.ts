/** What `postern doctor` says of the MTA behind: real ones as Debian and as the page have them, and broken ones. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startDovecotLmtp } from '../../support/dovecot-lmtp.js';
import { startExim } from '../../support/exim.js';
import { startOpensmtpd } from '../../support/opensmtpd.js';
import { needPeer } from '../../support/peers.js';
import { Postfix } from '../../support/postfix.js';
import { startSendmailListener } from '../../support/sendmail-listener.js';
import { installation, linesOf, scriptedMta } from './support.js';

interface StartedMta {
  readonly port: number;
  close(): Promise<void>;
}

const people = ['alice'];
const startPostfix = (...settings: readonly string[]): Promise<StartedMta> =>
  Postfix.start({ domains: ['example.com'], recipients: ['alice@example.com'], settings });
const refused = ['good', 'good', 'good'];
/** foreign, unknown user, victim%elsewhere */
type Verdicts = readonly string[];

const peers: readonly (readonly [
  what: string,
  peer: string,
  start: () => Promise<StartedMta>,
  offers: RegExp,
  verdicts: Verdicts,
])[] = [
  [
    'Postfix',
    'postfix',
    () => startPostfix('smtpd_relay_restrictions = reject_unauth_destination'),
    /^good: .*Postfix.* answers, and offers XFORWARD$/,
    refused,
  ],
  [
    'Postfix that trusts its own networks',
    'postfix',
    () => startPostfix(),
    /^good: .*Postfix.* answers, and offers XFORWARD$/,
    ['error', 'good', 'good'],
  ],
  ['Exim with the page’s rules', 'exim', () => startExim(people), /^note: .*Exim.* offers no XFORWARD/, refused],
  [
    'Exim as Debian has it',
    'exim',
    () => startExim(people, { trusting: true }),
    /^note: .*Exim.* offers no XFORWARD/,
    ['error', 'warning', 'good'],
  ],
  [
    'Sendmail with the page’s rules',
    'real-sendmail',
    () => startSendmailListener(people),
    /^note: .*Sendmail/,
    refused,
  ],
  [
    'Sendmail without them',
    'real-sendmail',
    () => startSendmailListener(people, { trusting: true }),
    /^note: .*Sendmail/,
    ['error', 'good', 'error'],
  ],
  ['OpenSMTPD', 'opensmtpd', () => startOpensmtpd(people), /^note: .*OpenSMTPD/, refused],
];

for (const [what, peer, start, offers, verdicts] of peers) {
  test(`${what}: what it offers, and whom it takes from 127.0.0.1`, async (t) => {
    if (!needPeer(t, peer)) return;
    const mta = await start();
    t.after(() => mta.close());
    const { doctor } = await installation(t, { relayPort: mta.port });
    const found = await doctor();
    const said = linesOf(found, 'relay').filter((line) => !line.includes('max_size'));
    assert.match(said[0] ?? '', offers);
    assert.deepEqual(
      said.slice(1).map((line) => line.split(':')[0]),
      verdicts,
      said.join('\n'),
    );
    const open = found.findings.filter(({ area, severity }) => area === 'relay' && severity === 'error');
    for (const { text, remedy } of open) {
      assert.match(text, / takes victim\S+: 250 /);
      assert.match(remedy ?? '', what.startsWith('Postfix') ? /reject_unauth_destination/ : /docs\/in-front-of\.md/);
    }
  });
}

/** [what, greeting, answers, what is said first] */
const broken: readonly (readonly [
  what: string,
  greeting: string | undefined,
  answer: (line: string) => string | undefined,
  said: RegExp,
])[] = [
  ['nothing at all', undefined, () => undefined, /^error: .*no greeting within|nothing came of it within/],
  ['nothing behind EHLO', '220 x\r\n', () => undefined, /^error: .*nothing came of it within/],
  ['no SMTP', 'HTTP/1.1 400 Bad Request\r\n', () => undefined, /^error: .*no SMTP reply/],
  ['a line that goes on for ever', 'SSH-2.0-x\r\n', () => undefined, /^error: .*nothing came of it within/],
  ['LMTP', '220 x\r\n', () => '500 5.5.1 Unknown command\r\n', /^error: .*is it LMTP\?$/],
  ['endless lines', `220-${'x'.repeat(200_000)}`, () => undefined, /^error: .*no SMTP reply/],
  ['postern itself', '220 mx.test.example ESMTP postern\r\n', () => '250 Ok\r\n', /^error: .*is postern itself/],
  [
    'octets that a terminal obeys',
    '220 x\x1b[2J\x9b\r\n',
    (line) => (line.startsWith('RCPT') ? '550 \x1b]0;x\x07no\r\n' : '250 Ok\r\n'),
    /^note: [ -~]* offers no XFORWARD/,
  ],
  [
    'a small limit',
    '220 x\r\n',
    (line) => (line.startsWith('EHLO') ? '250-x\r\n250-XFORWARD NAME\r\n250 SIZE 1000\r\n' : '550 no\r\n'),
    /^error: .*MAIL FROM:<> was answered 550 no$/,
  ],
];
for (const [what, greeting, answer, said] of broken) {
  test(`an MTA that says: ${what}`, async (t) => {
    const mta = await scriptedMta(t, greeting, answer);
    const { doctor } = await installation(t, { relayPort: mta.port });
    const found = await doctor('--relay_timeout=2s');
    assert.match(linesOf(found, 'relay')[0] ?? '', said);
    for (const line of linesOf(found, 'relay')) assert.match(line, /^[ -~]*$/);
  });
}

test('a domain’s own MTA is asked about it, the usual one about the others; Dovecot’s LMTP like any', async (t) => {
  if (!needPeer(t, 'dovecot-lmtp')) return;
  const dovecot = await startDovecotLmtp({ people: ['alice@own.example'] });
  t.after(() => dovecot.close());
  const mta = await scriptedMta(t, '220 x\r\n', (line) =>
    line.startsWith('RCPT') ? '550 5.1.1 no\r\n' : '250 Ok\r\n',
  );
  const { doctor } = await installation(t, {
    relayPort: mta.port,
    markers: [
      'example.com/users/valid/alice',
      'own.example/users/valid/alice',
      `own.example/relay=lmtp:127.0.0.1:${dovecot.port}`,
      'down.example/users/valid/alice',
      'down.example/relay=127.0.0.1:1',
      'broken.example/users/valid/alice',
      'broken.example/relay=to the left',
      'ours.example/users/valid/alice',
      'ours.example/relay=localhost:25',
    ],
  });
  const found = await doctor();
  const said = linesOf(found, 'relay');
  const lmtp = `lmtp:127.0.0.1:${dovecot.port}`;
  const about = (what: string): readonly string[] => said.filter((line) => line.includes(what));
  assert.match(about(`${lmtp} `)[0] ?? '', /^good: .* answers, and offers XCLIENT$/);
  assert.equal(about(`${lmtp} refuses`).length, 3, said.join('\n'));
  assert.equal(about(`127.0.0.1:${mta.port} refuses`).length, 3, said.join('\n'));
  assert.match(about('127.0.0.1:1:')[0] ?? '', /^error: .*ECONNREFUSED/);
  assert.match(about('broken.example/relay')[0] ?? '', /^error: .*"the" must be tls=no/);
  assert.match(about('ours.example/relay')[0] ?? '', /^error: .* must not be where postern itself listens/);
  const remedies = found.findings.filter(({ area }) => area === 'relay').map(({ remedy }) => remedy ?? '');
  assert.ok(
    remedies.some((remedy) =>
      /^start the MTA behind postern, or name another in \S+\/down\.example\/relay$/.test(remedy),
    ),
  );
});

test('a domain that takes everybody is in trouble where its MTA does so as well', async (t) => {
  const answers = (line: string): string =>
    line.startsWith('EHLO') ? '250-x\r\n250 SIZE 1000000\r\n' : '250 2.0.0 Ok\r\n';
  const mta = await scriptedMta(t, '220 x\r\n', answers);
  const { doctor } = await installation(t, { relayPort: mta.port, markers: ['example.com/users/valid/*'] });
  const said = linesOf(await doctor(), 'relay').join('\n');
  assert.match(
    said,
    /^error: .*takes postern-doctor-\w+@example\.com: .* unknown users become bounces to forged senders$/m,
  );
  assert.match(said, /^warning: .*takes mails of 1000000 octets, and max_size is 26214400/m);
});

test('its limit has to leave room for our fields on top of a mail of max_size', async (t) => {
  const said = async (size: number): Promise<readonly (string | undefined)[]> => {
    const mta = await scriptedMta(t, '220 x\r\n', (line) =>
      line.startsWith('EHLO') ? `250-x\r\n250 SIZE ${size}\r\n` : '250 2.0.0 Ok\r\n',
    );
    const { doctor } = await installation(t, { relayPort: mta.port });
    const { findings } = await doctor('--max_size=10240000');
    return findings.filter(({ text }) => text.includes('max_size')).map(({ remedy }) => remedy);
  };
  assert.deepEqual(await said(10_305_536), []);
  assert.deepEqual(await said(10_240_000), [
    'raise its limit (message_size_limit) to 10305536, or set max_size = 10174464',
  ]);
  assert.deepEqual(await said(65_536), ['raise its limit (message_size_limit) to 10305536']);
});

test('it is asked about ten domains, and the rest is named', async (t) => {
  const mta = await scriptedMta(t, '220 x\r\n', (line) => (line.startsWith('RCPT') ? '450 later\r\n' : '250 Ok\r\n'));
  const markers = Array.from({ length: 12 }, (_, i) => `d${i}.example/users/valid/alice`);
  const { doctor } = await installation(t, { relayPort: mta.port, markers });
  const said = linesOf(await doctor(), 'relay');
  assert.equal(said.filter((line) => /^warning: .*neither takes nor refuses/.test(line)).length, 21);
  assert.match(said.at(-1) ?? '', /^note: \S+ was asked about 10 of 12 domains$/);
});
