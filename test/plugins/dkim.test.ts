/** dkim, dkim_check, dmarc and from_spoof through the socket, on signatures made here and a zone. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import dkim from '../../plugins/dkim.js';
import dmarc from '../../plugins/dmarc.js';
import { DkimSigner } from '../support/dkim-signer.js';
import { Mx } from '../support/mx.js';
import { said } from './mail.js';
import { cpuMs } from '../support/cpu.js';

const signer = new DkimSigner('signed.example');
const modern = new DkimSigner('signed.example', { ed25519: true, selector: 'ed' });
const weak = new DkimSigner('signed.example', { bits: 512, selector: 'weak' });
const below = new DkimSigner('mail.reject.example');
const strict = new DkimSigner('mail.strict.example');
const ours = new DkimSigner('example.com');
const silent = new DkimSigner('silent.example');
/** Its key is for the domain itself, not for what is below it. */
const exact = new DkimSigner('signed.example', { selector: 'exact' });

const dmarcOf = (domain: string, record: string): object => ({ [`_dmarc.${domain}`]: { TXT: [[record]] } });
const zone = {
  ...signer.zone,
  ...modern.zone,
  ...weak.zone,
  ...below.zone,
  ...strict.zone,
  ...ours.zone,
  'exact._domainkey.signed.example': { TXT: [exact.record.replace('k=rsa;', 'k=rsa; t=s;').match(/.{1,200}/g) ?? []] },
  's1._domainkey.silent.example': { timeout: true },
  ...dmarcOf('reject.example', 'v=DMARC1; p=reject; sp=none'),
  ...dmarcOf('strict.example', 'v=DMARC1; p=reject; adkim=s; aspf=s'),
  ...dmarcOf('quarantine.example', 'v=DMARC1; p=Quarantine'),
  ...dmarcOf('spared.example', 'v=DMARC1; p=reject; pct=0'),
  ...dmarcOf('watched.example', 'v=DMARC1; p=none'),
  ...dmarcOf('silent.example', 'v=DMARC1; p=reject'),
  '_dmarc.unknown.example': { timeout: true },
  'reject.example': { TXT: [['v=spf1 ip4:192.0.2.7 -all']] },
  'mail.strict.example': { TXT: [['v=spf1 ip4:192.0.2.7 -all']] },
  'broken.example': { TXT: [['v=spf1 include:gone.example -all']] },
  'gone.example': { timeout: true },
  'example.com': { TXT: [['v=spf1 ip4:192.0.2.7 ?all']] },
};

let mx: Mx;
const lists = mkdtempSync(join(tmpdir(), 'postern-signers-'));
before(async () => {
  writeFileSync(join(lists, 'signers'), 'signed.example # all of it\n*.below.example\n');
  mx = await Mx.start({
    zone,
    settings: ['xclient_networks=loopback', 'dns_timeout=300ms'],
    markers: [
      ...['example.com', 'check.example', 'dmarc.example', 'strict.dmarc.example', 'off.example'].map(
        (domain) => `${domain}/users/valid/alice`,
      ),
      'check.example/checks/dkim',
      'dmarc.example/checks/dmarc',
      'example.com/checks/from_spoof',
    ],
    plugins: [
      'valid_users',
      'spf',
      'dkim_check',
      `dkim ${join(lists, 'signers')}`,
      'dmarc',
      'from_spoof',
      'blacklist',
      'whitelist',
    ],
  });
});
after(async () => {
  await mx.close();
  rmSync(lists, { recursive: true });
});

const text = (from: string, { fields = [] as readonly string[], body = 'Hello.  You\r\n\r\n\r\n' } = {}): string =>
  [...fields, `From: <someone@${from}>`, 'Subject: a  test', 'Date: Thu, 26 Nov 2026 12:00:00 +0000', '', body].join(
    '\r\n',
  );

interface Sent {
  readonly reply: string;
  /** The mail as the local MTA or the quarantine has it, unfolded. */
  readonly mail: string;
  readonly log: Readonly<Record<string, unknown>>;
}

let count = 0;
async function send(
  to: string,
  message: string,
  { from = 'x@elsewhere.example', ip = '192.0.2.1' } = {},
): Promise<Sent> {
  const mark = `X-Test: ${++count}.`;
  const at = message.indexOf('\r\n\r\n');
  const marked = `${message.slice(0, at)}\r\n${mark}${message.slice(at)}`;
  const reply = await mx.send({ to: `alice@${to}`, message: marked, from, xclient: `ADDR=${ip}` });
  const copies = [...mx.delivered(), ...mx.archived().map((copy) => copy.text)];
  const mail = copies.find((copy) => copy.includes(mark)) ?? '';
  return { reply, mail: mail.replace(/\r\n[ \t]+/g, ' '), log: mx.fates().at(-1) ?? {} };
}

const signed = text('signed.example');
const checked: readonly (readonly [what: string, message: string, results: RegExp, dkim: string])[] = [
  ['no signature', signed, /dkim=none(?:\r|;)/, 'none'],
  ['a good signature', signer.sign(signed), /dkim=pass header\.d=signed\.example header\.s=s1/, 'pass'],
  ['Ed25519', modern.sign(signed), /dkim=pass header\.d=signed\.example header\.s=ed/, 'pass'],
  ['a changed body', signer.sign(signed).replace('Hello', 'Hullo'), /dkim=fail \(body hash did not verify\)/, 'fail'],
  ['a changed field', signer.sign(signed).replace('a  test', 'the test'), /dkim=fail \(bad signature\)/, 'fail'],
  ['white space that relaxed does not mind', signer.sign(signed).replace('a  test', 'a test'), /dkim=pass/, 'pass'],
  ['an expired signature', signer.sign(signed, { tags: 't=1; x=2' }), /dkim=neutral \(expired\)/, 'neutral'],
  [
    'a signature that leaves From: out',
    signer.sign(signed, { fields: ['subject', 'date'] }),
    /dkim=permerror \(does not sign the From: field\)/,
    'permerror',
  ],
  [
    'a signature of the body’s beginning',
    signer.sign(signed, { tags: 'l=5' }),
    /dkim=policy \(signs part of the body only \\\(l=\\\)\)/,
    'policy',
  ],
  [
    'a signature of more than the body',
    signer.sign(signed, { tags: 'l=5000' }),
    /dkim=permerror \(signs more than the body \\\(l=\\\)\)/,
    'permerror',
  ],
  ['a signature of as much as the whole body', signer.sign(signed, { tags: 'l=12' }), /dkim=pass/, 'pass'],
  ['a signature of one octet less', signer.sign(signed, { tags: 'l=11' }), /dkim=policy \(signs part/, 'policy'],
  [
    'rsa-sha1',
    signer.sign(signed).replace('a=rsa-sha256', 'a=rsa-sha1'),
    /dkim=policy \(rsa-sha1 is not believed\)/,
    'policy',
  ],
  ['an identity below the domain', signer.sign(signed, { tags: 'i=x@sub.signed.example' }), /dkim=pass/, 'pass'],
  [
    'an identity below a domain whose key forbids it',
    exact.sign(signed, { tags: 'i=x@sub.signed.example' }),
    /dkim=permerror \(i= is a subdomain, which the key forbids \\\(t=s\\\)\)/,
    'permerror',
  ],
  [
    'an identity in a domain whose key forbids subdomains',
    exact.sign(signed, { tags: 'i=x@signed.example' }),
    /dkim=pass/,
    'pass',
  ],
  ['a key of 512 bits', weak.sign(signed), /dkim=policy/, 'policy'],
  [
    'no such key',
    new DkimSigner('signed.example', { selector: 'gone' }).sign(signed),
    /dkim=permerror \(no key\)/,
    'permerror',
  ],
  ['DNS that is silent', silent.sign(text('silent.example')), /dkim=temperror \(DNS failure: ETIMEOUT\)/, 'temperror'],
  ['two, one of which is good', signer.sign(weak.sign(signed)), /dkim=pass .*dkim=policy/, 'pass'],
  [
    'no signature at all in the field',
    `DKIM-Signature: \x01"'(\r\n${signed}`,
    /dkim=permerror \(malformed\)/,
    'permerror',
  ],
  ['L=', signer.sign(signed, { tags: 'L=5' }), /dkim=policy \(signs part/, 'policy'],
  ['l= in two pieces', signer.sign(signed, { tags: 'l(;)=5000' }), /dkim=permerror \(malformed\)/, 'permerror'],
  ['l= in a chain', `ARC-Message-Signature: i=1; l=5000\r\n${signed}`, /dkim=none; arc=fail/, 'none'],
];
for (const [what, message, results, result] of checked) {
  test(`dkim_check: ${what}`, async () => {
    const { reply, mail, log } = await send('check.example', message);
    assert.match(reply, /^250 /);
    assert.match(mail, new RegExp(`^Authentication-Results: mx\\.test\\.example; .*${results.source}`, 'm'));
    assert.match(mail, new RegExp(`^X-DKIM-RESULT: ${result}\\b`, 'm'));
    assert.equal(log['dkim'], result);
  });
}

test('dkim_check: our own names in the mail are forgeries, and go', async () => {
  const forged = ['Authentication-Results: mx.test.example; dkim=pass (forged)', 'X-DKIM-RESULT: pass forged'];
  const { mail } = await send('check.example', text('signed.example', { fields: forged }));
  assert.doesNotMatch(mail, /forged/);
  assert.equal(mail.match(/^Authentication-Results: /gm)?.length, 1);
});

test('dkim_check: a large mail is verified from disk, octet by octet', async () => {
  const body = 'abc\t def.. \r\n.\r\n\r\n'.replace(/^\./gm, '').repeat(30_000);
  assert.equal((await send('check.example', signer.sign(text('signed.example', { body })))).log['dkim'], 'pass');
});

test('dkim_check: a hundred signatures cost no more than eight', async () => {
  const many = silent.sign(text('silent.example')).split('\r\nFrom:');
  const { reply, mail } = await send('check.example', `${`${many[0]}\r\n`.repeat(100)}From:${many[1]}`);
  assert.match(reply, /^250 /);
  assert.equal(mail.match(/dkim=temperror/g)?.length, 8);
});

const hostile: readonly (readonly [what: string, message: string])[] = [
  ['a field of 200,000 lines', signer.sign(text('signed.example', { fields: [`X: ${'a\r\n '.repeat(200_000)}`] }))],
  ['a line of 3 MB', signer.sign(text('signed.example', { body: 'a '.repeat(1_500_000) }))],
];
for (const [what, message] of hostile) {
  test(`dkim_check: does not hurt: ${what}`, async () => {
    const started = cpuMs();
    const { reply, log } = await send('check.example', message);
    assert.match(reply, /^250 /);
    assert.equal(log['dkim'], 'policy');
    assert.ok(cpuMs() - started < 5000);
  });
}

test('dkim: who always signs is rejected without a signature, archived, and nobody else is', async () => {
  const { reply, mail } = await send('check.example', signed, { from: 'x@signed.example' });
  assert.match(reply, /^550 5\.7\.1 Not signed \(DKIM\), as all mail from signed\.example is \([0-9A-Z]{14}\)$/);
  assert.match(mail, /^X-REJECT-PLUGIN: dkim\r$/m);
  assert.match((await send('check.example', signed, { from: 'x@a.below.example' })).reply, /^550 /);
  assert.match((await send('check.example', signed, { from: 'x@below.example' })).reply, /^250 /);
  assert.match((await send('check.example', signer.sign(signed), { from: 'x@signed.example' })).reply, /^250 /);
  assert.match((await send('off.example', signed, { from: 'x@signed.example' })).reply, /^250 /);
});

const asks = (domain: string): RegExp =>
  new RegExp(`^550 5\\.7\\.1 DMARC: neither SPF nor DKIM stands for ${domain}, which asks to reject such mail `);
type Envelope = Parameters<typeof send>[2];
type Judged = readonly [what: string, message: string, envelope: Envelope, reply: RegExp, dmarc: string];
const saying = (from: string): string => text('a.example').replace(/^From: .*$/m, `From: ${from}`);
const judged: readonly Judged[] = [
  ['p=reject, nothing stands for it', text('reject.example'), {}, asks('reject\\.example'), 'fail'],
  ['p=reject, signed by another', signer.sign(text('reject.example')), {}, asks('reject\\.example'), 'fail'],
  ['p=reject, signed by a host of it', below.sign(text('reject.example')), {}, /^250 /, 'pass'],
  [
    'p=reject, such a signature that is broken',
    below.sign(text('reject.example')).replace('Hello', 'Hullo'),
    {},
    asks('reject\\.example'),
    'fail',
  ],
  [
    'p=reject, SPF passes for it',
    text('reject.example'),
    { from: 'x@reject.example', ip: '192.0.2.7' },
    /^250 /,
    'pass',
  ],
  [
    'p=reject, SPF passes for another',
    text('reject.example'),
    { from: 'x@example.com', ip: '192.0.2.7' },
    asks('reject\\.example'),
    'fail',
  ],
  ['a subdomain has the policy of sp=', text('sub.reject.example'), {}, /^250 /, 'fail'],
  ['adkim=s, signed by a host of it', strict.sign(text('strict.example')), {}, asks('strict\\.example'), 'fail'],
  [
    'aspf=s, SPF passes for a host of it',
    text('strict.example'),
    { from: 'x@mail.strict.example', ip: '192.0.2.7' },
    asks('strict\\.example'),
    'fail',
  ],
  ['p=none', text('watched.example'), {}, /^250 /, 'fail'],
  ['pct=0 spares', text('spared.example'), {}, /^250 /, 'fail'],
  ['no policy', text('elsewhere.example'), {}, /^250 /, 'none'],
  ['DNS is silent about the policy', text('unknown.example'), {}, /^451 4\.7\.5 DMARC temperror/, 'temperror'],
  ['DNS is silent about the key', silent.sign(text('silent.example')), {}, /^451 4\.7\.5 DMARC temperror/, 'temperror'],
  [
    'DNS is silent about SPF',
    text('reject.example'),
    { from: 'x@broken.example' },
    /^451 4\.7\.5 DMARC temperror/,
    'temperror',
  ],
  ['no From:', 'Subject: x\r\n\r\nHello.', {}, /^250 /, 'permerror'],
  [
    'two domains, the second asks to reject',
    text('a.example>, <b@reject.example'),
    {},
    asks('reject\\.example'),
    'fail',
  ],
  ['white space in the address', text('reject . example '), {}, asks('reject\\.example'), 'fail'],
  ['a tab before the domain', text('\treject.example'), {}, asks('reject\\.example'), 'fail'],
  ['a NUL in the domain', text('reject\0.example'), {}, asks('reject\\.example'), 'fail'],
  [
    'two angle addresses for one mailbox',
    text('elsewhere.example> <b@reject.example'),
    {},
    asks('reject\\.example'),
    'fail',
  ],
  ...(
    [
      ['Boss: boss@reject.example;', 'fail'],
      ['boss@reject.example; x@elsewhere.example', 'fail'],
      ['Boss boss@reject.example>', 'fail'],
      ['boss@reject.example@elsewhere.example', 'fail'],
      ['boss@reject.example the boss', 'fail'],
      ['boss@reject\u3002example', 'fail'],
      ['boss\uff20reject.example', 'fail'],
      ['boss@re\u00adject.exam\u200bple', 'fail'],
      ['=?utf-8?q?boss=40reject.example?=', 'fail'],
      ['=?utf-8?b?Ym9zc0ByZWplY3QuZXhhbXBsZQ==?=', 'fail'],
      ['=?utf-8?q?boss?= =?utf-8?q?=40reject?= =?utf-8?q?.example?=', 'fail'],
      ['=?utf-8?q?boss@reject.example?=, x@elsewhere.example', 'fail'],
      ['=?utf-8?q?=22boss=22_=3Cboss=40reject.example=3E?=', 'fail'],
      ['x@elsewhere.example, boss@reject.example, y@watched.example', 'fail'],
    ] as const
  ).map(([from, last]): Judged => [from, saying(from), {}, asks('reject\\.example'), last]),
  ['an encoded word without an address', saying('=?utf-8?q?The_boss?='), {}, /^250 /, 'permerror'],
  [
    'p=none for the first, no policy for the second',
    saying('a@watched.example, b@elsewhere.example'),
    {},
    /^250 /,
    'fail',
  ],
  [
    'DNS is silent for the first, no policy for the second',
    saying('a@unknown.example, b@elsewhere.example'),
    {},
    /^451 /,
    'temperror',
  ],
  [
    'a second From: field above the signed one',
    below.sign(text('reject.example')).replace(/^/, 'From: <boss@reject.example>\r\n'),
    {},
    asks('reject\\.example'),
    'fail',
  ],
  [
    'six domains',
    text('a.example>, <a@b.example>, <a@c.example>, <a@d.example>, <a@e.example>, <a@f.example'),
    {},
    /^550 5\.7\.1 DMARC: too many domains/,
    'permerror',
  ],
];
for (const [what, message, envelope, reply, result] of judged) {
  test(`dmarc: ${what}`, async () => {
    const sent = await send('dmarc.example', message, envelope);
    assert.match(sent.reply, reply);
    assert.equal(sent.log['dmarc'], result);
    if (!sent.reply.startsWith('451'))
      assert.match(
        sent.mail,
        new RegExp(
          `^Authentication-Results: mx\\.test\\.example; .*spf=.*; dkim=.*; dmarc=${result}\\b|dmarc=permerror`,
          'm',
        ),
      );
    assert.match((await send('off.example', message, envelope)).reply, /^250 /, 'where it is off');
  });
}

test('dmarc: p=quarantine marks the mail, and a mark that came with it goes', async () => {
  const forged = text('elsewhere.example', { fields: ['X-DMARC-RESULT: forged'] });
  assert.doesNotMatch((await send('dmarc.example', forged)).mail, /X-DMARC-RESULT/);
  const { reply, mail } = await send('dmarc.example', text('quarantine.example'));
  assert.match(reply, /^250 /);
  assert.match(mail, /^X-DMARC-RESULT: quarantine quarantine\.example\r$/m);
});

test('dmarc: p=quarantine archives where quarantine=archive says so', async () => {
  const strictMx = await Mx.start({
    zone,
    markers: ['example.com/users/valid/alice', 'example.com/checks/dmarc'],
    plugins: ['valid_users', 'dmarc quarantine=archive'],
  });
  assert.match(
    await strictMx.send({ message: text('quarantine.example') }),
    /^550 5\.7\.1 DMARC: .* asks to quarantine such mail \(/,
  );
  assert.equal(strictMx.archived().length, 1);
  await strictMx.close();
});

test('dmarc and spf: one Authentication-Results field, SPF is asked once and recorded once', async () => {
  mx.touch('dmarc.example/checks/spf');
  const { mail, log } = await send('dmarc.example', text('reject.example'), {
    from: 'x@reject.example',
    ip: '192.0.2.7',
  });
  mx.remove('dmarc.example/checks/spf');
  assert.equal(mail.match(/^Authentication-Results: /gm)?.length, 1);
  assert.equal(mail.match(/\bspf=pass/g)?.length, 1);
  assert.equal(mail.match(/^Received-SPF: /gm)?.length, 1);
  assert.deepEqual([log['spf'], log['dkim'], log['dmarc']], ['pass', 'none', 'pass']);
});

const notAllowed = /^550 5\.7\.1 From: names (?:[a-z]+\.)?example\.com, which your host may not send for \(/;
const spoofs: readonly (readonly [what: string, message: string, envelope: Envelope, reply: RegExp])[] = [
  ['another domain', text('elsewhere.example'), {}, /^250 /],
  ['ours', text('example.com'), {}, notAllowed],
  ['one below ours', text('sub.example.com'), {}, notAllowed],
  ['ours, in capitals and with a final dot', text('EXAMPLE.COM.'), {}, notAllowed],
  ['ours, beside another', text('elsewhere.example>, <b@example.com'), {}, notAllowed],
  ['ours, and SPF passes for another', text('example.com'), { from: 'x@reject.example', ip: '192.0.2.7' }, notAllowed],
  ['ours, and SPF passes for ours', text('example.com'), { from: 'x@example.com', ip: '192.0.2.7' }, /^250 /],
  ['ours, and SPF is neutral', text('example.com'), { from: 'x@example.com' }, notAllowed],
  ['ours, signed by us', ours.sign(text('example.com')), {}, /^250 /],
  ['ours, signed by another', signer.sign(text('example.com')), {}, notAllowed],
  [
    'ours, and DNS does not say who signed',
    silent.sign(text('example.com')),
    {},
    /^451 4\.7\.1 Whether example\.com stands/,
  ],
  ['ours twice, one of them signed', `From: <boss@example.com>\r\n${ours.sign(text('example.com'))}`, {}, notAllowed],
];
for (const [what, message, envelope, reply] of spoofs) {
  test(`from_spoof: ${what}`, async () => {
    assert.match((await send('example.com', message, envelope)).reply, reply);
    assert.match((await send('off.example', message, envelope)).reply, /^250 /, 'where it is off');
  });
}

test('whose signatures nobody asks about are not verified', async () => {
  const { mail } = await send('off.example', signer.sign(signed));
  assert.doesNotMatch(mail, /^Authentication-Results|^X-DKIM-RESULT/m);
});

test('dkim: the shipped list', async () => {
  assert.match(await said(dkim([]), { from: 'x@gmail.com' }), /^reject 5\.7\.1 Not signed/);
  assert.equal(await said(dkim([]), { from: 'x@gmail.com', header: ['DKIM-Signature: x'] }), 'pass');
  assert.equal(await said(dkim([]), { from: '' }), 'pass');
});

test('bad arguments', () => {
  writeFileSync(join(lists, 'bad'), 'not a domain\n');
  assert.throws(() => dkim([join(lists, 'bad')]), /"not a domain" is no domain/);
  assert.throws(() => dkim(['a', 'b']), /takes one file/);
  assert.throws(() => dkim(['/nonexistent']), /ENOENT/);
  assert.throws(() => dmarc(['quarantine=x']), /takes quarantine=mark or/);
});
