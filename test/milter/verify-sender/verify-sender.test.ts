/**
 * What spf-milter's parameters do, as dialogues with a real socket: who is refused, at which command, in which words,
 * and what is changed.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openBench } from './bench.js';
import { type Answered, MilterClient, type Offer } from './client.js';

interface Dialogue {
  readonly from: string | Buffer;
  readonly parameters?: readonly string[];
  /** null: a UNIX socket. */
  readonly ip?: string | null;
  /** null: none was said. */
  readonly helo?: string | null;
  readonly auth?: string;
  readonly to?: string;
  readonly fields?: readonly (readonly [string, string])[];
  readonly offer?: Offer;
  readonly clientName?: string;
}

/**
 * One message: the command that was not answered by `continue`, and how; else what was changed at the end, one a
 * line.
 */
async function play(config: string, dialogue: Dialogue): Promise<string> {
  const bench = await openBench(config, dialogue.clientName === undefined ? {} : { clientName: dialogue.clientName });
  const client = await MilterClient.open(bench.path, dialogue.offer);
  try {
    return await talk(client, dialogue);
  } finally {
    client.destroy();
    await bench.close();
    assert.deepEqual(bench.problems, []);
  }
}

async function talk(client: MilterClient, dialogue: Dialogue): Promise<string> {
  const { from, parameters, ip = '192.0.2.7', helo = 'client.test', auth, to = 'u@rcpt.test' } = dialogue;
  const commands: readonly (readonly [string, () => Promise<Answered>])[] = [
    ['CONNECT', () => client.connect(ip ?? undefined)],
    ...(helo === null ? [] : [['HELO', () => client.helo(helo)] as const]),
    ['MAIL', () => client.mail(from, auth === undefined ? {} : { auth_type: 'PLAIN', auth_authen: auth }, parameters)],
    ['RCPT', () => client.rcpt(to)],
    ['DATA', () => client.data()],
  ];
  for (const [name, say] of commands) {
    const { verdict } = await say();
    if (verdict !== 'continue') return `${name}: ${verdict}`;
  }
  const { verdict, edits } = await client.message(dialogue.fields);
  return verdict === 'continue' ? edits.join('\n') : `EOM: ${verdict}`;
}

/** The fields without folding and comments, which other tests look at. */
const bare = (text: string): string => text.replace(/\n\t/g, ' ').replace(/ \((?:[^()\\]|\\.)*\)/g, '');

/** Text as the client shows it: an octet is a character. */
const octets = (text: string): string => Buffer.from(text).toString('latin1');

const refused = 'MAIL: 550 5.7.23 SPF validation failed';
const rspf = (result: string, rest: string): string => `insert Received-SPF: ${result} client-ip=192.0.2.7; ${rest}`;
const passed = rspf(
  'pass',
  'envelope-from="a@pass.test"; helo=client.test; receiver=mx.test; identity=mailfrom; mechanism="ip4:192.0.2.0/24"',
);
const AR = 'Authentication-Results';
const forged = [
  [AR, 'mx.test; spf=pass'],
  [AR, 'other.test; spf=pass'],
  [AR, ' (a (b)) "MX.test." (c) 1; dkim=pass'],
  [AR, 'mx.test'],
  [AR, 'mx.test.evil.test; x=y'],
  [AR.toUpperCase(), 'Mx.Test\n\t; a=b'],
] as const;
const forgedSpf = [
  ['Received-SPF', 'pass (x) identity=mailfrom; envelope-from="a@softfail.test"; client-ip=192.0.2.7'],
  ['RECEIVED-SPF', 'pass'],
] as const;
const arPass = `insert ${AR}: mx.test; spf=pass smtp.mailfrom=pass.test`;

const table: readonly [what: string, config: string, dialogue: Dialogue, expected: string | RegExp][] = [
  ['pass is recorded', '', { from: 'a@pass.test' }, passed],
  [
    'an IPv6 client',
    '',
    { from: 'a@pass.test', ip: 'IPv6:2001:db8::5' },
    /client-ip="2001:db8::5"; .*ip6:2001:db8::\/32/,
  ],
  [
    'a sender in UTF-8 stands as it is where the mail is SMTPUTF8',
    'header = Received-SPF, Authentication-Results\ninclude_mailfrom_local_part = yes',
    { from: 'zoë@pass.test', parameters: ['BODY=8BITMIME', 'smtputf8'] },
    octets(
      `${passed.replace('a@', 'zoë@')}\ninsert Authentication-Results: mx.test; spf=pass smtp.mailfrom="zoë@pass.test"`,
    ),
  ],
  ['and is written in ASCII where it is not', '', { from: 'zoë@pass.test' }, passed.replace('a@', 'zo?@')],
  [
    'or is no UTF-8',
    '',
    { from: Buffer.from('zoë@pass.test', 'latin1'), parameters: ['SMTPUTF8'] },
    passed.replace('a@', 'zo?@'),
  ],
  ['fail is refused', '', { from: 'a@fail.test' }, refused],
  ['softfail is taken', '', { from: 'a@softfail.test' }, /^insert Received-SPF: softfail .*mechanism=~all$/],
  ['neutral is taken', '', { from: 'a@neutral.test' }, /^insert Received-SPF: neutral /],
  [
    'none is taken',
    '',
    { from: 'a@none.test' },
    /^insert Received-SPF: none .*problem="none\.test has no SPF record"$/,
  ],
  [
    'temperror is put off',
    '',
    { from: 'a@temperror.test' },
    'MAIL: 451 4.7.24 SPF validation error: the TXT look-up of temperror.test failed: timed out',
  ],
  [
    'permerror is refused, with its reason',
    '',
    { from: 'a@permerror.test' },
    /^MAIL: 550 5\.7\.24 SPF validation error: "foo:bar" in the record/,
  ],
  ['reject_results empty: all is taken', 'reject_results =', { from: 'a@fail.test' }, /^insert Received-SPF: fail /],
  ['reject_results with softfail', 'reject_results = softfail', { from: 'a@softfail.test' }, refused],
  ['and without fail', 'reject_results = softfail', { from: 'a@fail.test' }, /^insert Received-SPF: fail /],
  ['reject_results with none', 'reject_results = none', { from: 'a@none.test' }, refused],
  [
    'reject_results with neutral, its own reply',
    'reject_results = neutral\nneutral_reply_text = no %{o}',
    { from: 'a@neutral.test' },
    'MAIL: 550 5.7.23 no neutral.test',
  ],

  ['HELO fail is refused, at MAIL', '', { from: 'a@pass.test', helo: 'helo.fail.test' }, refused],
  [
    'reject_helo_at = helo',
    'reject_helo_at = helo',
    { from: 'a@pass.test', helo: 'helo.fail.test', auth: 'joe' },
    'HELO: 550 5.7.23 SPF validation failed',
  ],
  [
    'there a good HELO name passes, and MAIL FROM is judged',
    'reject_helo_at = helo',
    { from: 'a@fail.test', helo: 'helo.soft.test' },
    refused,
  ],
  [
    'a forwarding host’s HELO name is not judged there',
    'reject_helo_at = helo\nforwarding_hosts = 192.0.2.7',
    { from: 'a@pass.test', helo: 'helo.fail.test' },
    '',
  ],
  [
    'nor is anybody refused in a dry run',
    'reject_helo_at = helo\ndry_run = yes',
    { from: 'a@pass.test', helo: 'helo.fail.test' },
    'MAIL: accept',
  ],
  [
    'verify_helo off',
    'verify_helo = no',
    { from: 'a@pass.test', helo: 'helo.fail.test' },
    /^insert Received-SPF: pass /,
  ],
  [
    'reject_helo_results empty',
    'reject_helo_results =',
    { from: 'a@pass.test', helo: 'helo.fail.test' },
    /^insert Received-SPF: pass /,
  ],
  [
    'reject_helo_results of its own',
    'reject_helo_results = softfail',
    { from: 'a@pass.test', helo: 'helo.soft.test' },
    refused,
  ],
  [
    'a definitive HELO result ends the procedure',
    'definitive_helo_results = softfail',
    { from: 'a@fail.test', helo: 'helo.soft.test' },
    rspf('softfail', 'helo=helo.soft.test; receiver=mx.test; identity=helo; mechanism=~all'),
  ],
  [
    'refused goes before definitive',
    'definitive_helo_results = fail',
    { from: 'a@pass.test', helo: 'helo.fail.test' },
    refused,
  ],
  [
    'a HELO name that is no domain is not verified',
    'include_all_results = yes',
    { from: 'a@pass.test', helo: '[192.0.2.7]' },
    /^insert Received-SPF: pass [^\n]*identity=mailfrom[^\n]*$/,
  ],
  [
    'nor is a single label',
    'include_all_results = yes',
    { from: 'a@pass.test', helo: 'localhost' },
    /^[^\n]*identity=mailfrom[^\n]*$/,
  ],
  [
    'nor an address without brackets',
    'include_all_results = yes',
    { from: 'a@pass.test', helo: '192.0.2.7' },
    /^[^\n]*identity=mailfrom[^\n]*$/,
  ],
  ['no HELO at all', '', { from: 'a@pass.test', helo: null }, /helo=unknown/],
  ['HELO temperror is put off', '', { from: 'a@pass.test', helo: 'helo.temp.test' }, /^MAIL: 451 4\.7\.24 /],

  ['a null reverse-path is postmaster@HELO', 'verify_helo = no', { from: '', helo: 'helo.fail.test' }, refused],
  [
    'and recorded as that',
    '',
    { from: '', helo: 'mail.host.test', ip: '192.0.2.10' },
    /envelope-from="postmaster@mail\.host\.test"; .*identity=mailfrom; mechanism=a$/,
  ],
  ['also when the HELO name is an address', '', { from: '', helo: '[192.0.2.7]' }, /^insert Received-SPF: none /],

  [
    'include_all_results',
    'include_all_results = yes\nheader = Authentication-Results',
    { from: 'a@pass.test', helo: 'helo.soft.test' },
    `insert ${AR}: mx.test; spf=softfail smtp.helo=helo.soft.test; spf=pass smtp.mailfrom=pass.test`,
  ],
  [
    'include_all_results, a field each',
    'include_all_results = yes',
    { from: 'a@pass.test', helo: 'helo.soft.test' },
    /^insert Received-SPF: softfail .*identity=helo.*\ninsert Received-SPF: pass .*identity=mailfrom/,
  ],
  ['header: Authentication-Results', `header = ${AR}`, { from: 'a@pass.test' }, arPass],
  ['header: both, the last uppermost', `header = Received-SPF, ${AR}`, { from: 'a@pass.test' }, `${passed}\n${arPass}`],
  ['header: none', 'header =', { from: 'a@pass.test' }, ''],
  [
    'include_mailfrom_local_part',
    `header = ${AR}\ninclude_mailfrom_local_part = yes`,
    { from: 'a@pass.test' },
    `insert ${AR}: mx.test; spf=pass smtp.mailfrom=a@pass.test`,
  ],
  [
    'a quoted local-part is quoted once',
    `header = ${AR}\ninclude_mailfrom_local_part = yes`,
    { from: '"a; b@c"@pass.test' },
    `insert ${AR}: mx.test; spf=pass smtp.mailfrom="a; b@c"@pass.test`,
  ],
  ['hostname', 'hostname = host.test', { from: 'a@pass.test' }, /receiver=host\.test/],
  [
    'authserv_id',
    `header = ${AR}\nhostname = host.test\nauthserv_id = auth.test`,
    { from: 'a@pass.test' },
    /Results: auth\.test; /,
  ],
  [
    'authserv_id is the hostname otherwise',
    `header = ${AR}\nhostname = host.test`,
    { from: 'a@pass.test' },
    /Results: host\.test; /,
  ],
  [
    'forgeries under our name go, from the highest index down',
    `header = ${AR}`,
    { from: 'a@pass.test', fields: forged },
    `delete ${AR.toUpperCase()} #6\ndelete ${AR} #4\ndelete ${AR} #3\ndelete ${AR} #1\n${arPass}`,
  ],
  [
    'they stay where they may',
    `header = ${AR}\ndelete_incoming_authentication_results = no`,
    { from: 'a@pass.test', fields: forged },
    arPass,
  ],
  ['they stay where we do not write that field', '', { from: 'a@pass.test', fields: forged }, passed],
  [
    'they go from mail that is exempt too',
    `header = ${AR}\nskip_senders = pass.test`,
    { from: 'a@pass.test', fields: forged.slice(0, 2) },
    `delete ${AR} #1`,
  ],
  [
    'Received-SPF that came with a mail goes, whatever we write',
    `header = ${AR}`,
    { from: 'a@softfail.test', fields: forgedSpf },
    `delete RECEIVED-SPF #2\ndelete Received-SPF #1\ninsert ${AR}: mx.test; spf=softfail smtp.mailfrom=softfail.test`,
  ],
  [
    'and where we write one of our own',
    '',
    { from: 'a@pass.test', fields: forgedSpf },
    `delete RECEIVED-SPF #2\ndelete Received-SPF #1\n${passed}`,
  ],
  [
    'and from mail that is exempt',
    'skip_senders = softfail.test',
    { from: 'a@softfail.test', fields: forgedSpf.slice(0, 1) },
    'delete Received-SPF #1',
  ],
  ['it stays where it may', 'delete_incoming_received_spf = no', { from: 'a@pass.test', fields: forgedSpf }, passed],
  [
    'a forgery in U-labels',
    `header = ${AR}\nauthserv_id = mx.xn--bcher-kva.test`,
    { from: 'a@pass.test', fields: [[AR, 'mx.bücher.test; a=b']] },
    new RegExp(`^delete ${AR} #1\n`),
  ],

  [
    'fail_reply_code and its status',
    'fail_reply_code = 451\nfail_status_code = 4.7.0',
    { from: 'a@fail.test' },
    'MAIL: 451 4.7.0 SPF validation failed',
  ],
  [
    'macros in a text',
    'fail_reply_text = s=%{s} l=%{l} o=%{o} d=%{d} i=%{i} c=%{c} h=%{h} r=%{r} v=%{v} p=%{p} %{S} %{dr} %% %_ %-',
    { from: 'a+b@fail.test', clientName: 'mail.host.test' },
    'MAIL: 550 5.7.23 s=a+b@fail.test l=a+b o=fail.test d=fail.test i=192.0.2.7 c=192.0.2.7 h=client.test r=mx.test v=in-addr p=mail.host.test a%%2Bb%%40fail.test test.fail %%   %%20',
  ],
  ['%{p} of a client without a name', 'fail_reply_text = %{p}', { from: 'a@fail.test' }, 'MAIL: 550 5.7.23 unknown'],
  [
    'softfail_reply_text',
    'reject_results = softfail\nsoftfail_reply_text = soft',
    { from: 'a@softfail.test' },
    'MAIL: 550 5.7.23 soft',
  ],
  [
    'permerror_reply_text with the reason',
    'permerror_reply_text = <%{reason}>',
    { from: 'a@permerror.test' },
    'MAIL: 550 5.7.24 <"foo:bar" in the record of permerror.test: no such mechanism>',
  ],
  [
    'temperror_reply_code',
    'temperror_reply_code = 450\ntemperror_reply_text = later',
    { from: 'a@temperror.test' },
    'MAIL: 450 4.7.24 later',
  ],
  [
    'a domain’s explanation is labelled as its own words, % doubled',
    '',
    { from: 'a@exp.test' },
    "MAIL: 550 5.7.23 SPF validation failed: exp.test explains: 192.0.2.7 is not one of exp.test's 100%% good hosts",
  ],
  [
    'fail_reply_text_exp',
    'fail_reply_text_exp = <%{exp}> %{h}',
    { from: 'a@exp.test' },
    "MAIL: 550 5.7.23 <192.0.2.7 is not one of exp.test's 100%% good hosts> client.test",
  ],
  [
    'fail_reply_text_exp without the explanation',
    'fail_reply_text_exp = no',
    { from: 'a@exp.test' },
    'MAIL: 550 5.7.23 no',
  ],
  [
    'an explanation of percent signs',
    '',
    { from: '%s@percent.test' },
    'MAIL: 550 5.7.23 SPF validation failed: percent.test explains: %%s%%n %%%% %%25s 250-ok',
  ],
  ['an explanation with CRLF is not used', '', { from: 'a@crlf.test' }, refused],
  ['nor one with ESC', '', { from: 'a@escape.test' }, refused],
  ['nor one with 8-bit octets', '', { from: 'a@eight.test' }, refused],
  [
    'the sender’s own octets in an explanation',
    '',
    { from: 'x\r\n250 \u001b[1m%n@sender.test' },
    'MAIL: 550 5.7.23 SPF validation failed: sender.test explains: you are x??250 ?[1m%%n@sender.test',
  ],
  [
    'a long explanation is cut',
    '',
    { from: 'a@long.test' },
    /^MAIL: 550 5\.7\.23 SPF validation failed: long\.test explains: x{255}y{90,110}\.\.\.$/,
  ],

  ['loopback is trusted', '', { from: 'a@fail.test', ip: '127.0.0.1' }, 'CONNECT: accept'],
  ['IPv6 loopback is', '', { from: 'a@fail.test', ip: '::1' }, 'CONNECT: accept'],
  ['trusted_networks empty', 'trusted_networks =', { from: 'a@fail.test', ip: '127.0.0.1' }, refused],
  ['trusted_networks', 'trusted_networks = 192.0.2.0/28', { from: 'a@fail.test' }, 'CONNECT: accept'],
  [
    'a mapped address is its IPv4 address',
    'trusted_networks = 192.0.2.0/28',
    { from: 'a@fail.test', ip: '::ffff:192.0.2.7' },
    'CONNECT: accept',
  ],
  [
    'a client without an address is trusted',
    'trusted_networks =',
    { from: 'a@fail.test', ip: null },
    'CONNECT: accept',
  ],
  ['authenticated senders are trusted', '', { from: 'a@fail.test', auth: 'joe' }, 'MAIL: accept'],
  ['whatever their HELO', '', { from: 'a@fail.test', auth: 'joe', helo: 'helo.fail.test' }, 'MAIL: accept'],
  [
    'trust_authenticated_senders off',
    'trust_authenticated_senders = no',
    { from: 'a@fail.test', auth: 'joe' },
    refused,
  ],
  ['dry_run refuses nobody', 'dry_run = yes', { from: 'a@fail.test' }, 'MAIL: accept'],
  ['dry_run changes nothing', `dry_run = yes\nheader = ${AR}`, { from: 'a@pass.test', fields: forged }, ''],

  ['skip_senders: a domain', 'skip_senders = FAIL.test', { from: 'a@fail.test' }, ''],
  ['skip_senders: below', 'skip_senders = .fail.test', { from: 'a@x.fail.test' }, ''],
  ['skip_senders: below is not itself', 'skip_senders = .fail.test', { from: 'a@fail.test' }, refused],
  ['skip_senders: an address, without case', 'skip_senders = A@fail.test', { from: 'a@Fail.Test' }, ''],
  ['skip_senders: another address', 'skip_senders = b@fail.test', { from: 'a@fail.test' }, refused],
  [
    'skip_senders: a HELO name',
    'skip_senders = helo.fail.test',
    { from: 'a@pass.test', helo: 'helo.fail.test' },
    /^insert Received-SPF: pass /,
  ],
  [
    'skip_senders: the null sender’s identity',
    'skip_senders = postmaster@helo.fail.test\nverify_helo = no',
    { from: '', helo: 'helo.fail.test' },
    '',
  ],
  [
    'skip_senders: HELO’s result stays',
    'skip_senders = fail.test\ninclude_all_results = yes',
    { from: 'a@fail.test', helo: 'helo.soft.test' },
    /^insert Received-SPF: softfail .*identity=helo[^\n]*$/,
  ],

  ['a sender without @', '', { from: 'nonsense' }, /^insert Received-SPF: none /],
  ['a malformed domain', '', { from: 'a@b..c' }, /^insert Received-SPF: none /],
  ['a quoted local-part with @', '', { from: '"a@b c"@pass.test' }, /envelope-from="\\"a@b c\\"@pass\.test"/],
  ['an SMTPUTF8 sender', '', { from: 'ü@pass.test' }, /^insert Received-SPF: pass [\x20-\x7e]*$/],
  [
    'protocol version 2, an MTA that offers little',
    '',
    { from: 'a@pass.test', offer: { version: 2, actions: 0x3f, protocol: 0x7f } },
    passed,
  ],
  ['an MTA that offers no insertion', '', { from: 'a@pass.test', offer: { actions: 2 } }, ''],
  ['max_void_lookups', 'max_void_lookups = 0', { from: 'a@mail.host.test' }, /^MAIL: 550 5\.7\.23/],
  ['max_lookups', 'max_lookups = 0', { from: 'a@mail.host.test' }, /^MAIL: 550 5\.7\.24 .*more than 0/],
];

for (const [what, config, dialogue, expected] of table) {
  test(what, async () => {
    const got = bare(await play(config, dialogue));
    if (typeof expected === 'string') assert.equal(got, expected);
    else assert.match(got, expected);
  });
}

test('fields are folded by LF and a tab, no line over 78 octets', async () => {
  const text = await play(`header = Received-SPF, ${AR}\nhostname = a.rather.long.host.name.example.test`, {
    from: 'somebody.with.a.name@pass.test',
    helo: 'helo.with.many.labels.of.a.provider.example.test',
  });
  assert.doesNotMatch(text, /\r/);
  for (const line of text.replaceAll('insert ', '').split('\n'))
    assert.ok(line.replace('\t', '        ').length <= 80, line);
});

test('Authentication-Results has the result and the identity; authentication_results_form = full also says why', async () => {
  const written = async (config: string, from: string): Promise<string> =>
    (await play(`header = ${AR}\nreject_results =\n${config}`, { from })).replace(/\n\t/g, ' ');
  assert.equal(await written('', 'a@pass.test'), arPass);
  assert.equal(
    await written('', 'a@permerror.test'),
    `insert ${AR}: mx.test; spf=permerror smtp.mailfrom=permerror.test`,
  );
  const full = 'authentication_results_form = full';
  assert.match(await written(full, 'a@pass.test'), /spf=pass \(pass\.test designates .*\) smtp\.mailfrom=pass\.test$/);
  assert.match(await written(full, 'a@permerror.test'), /spf=permerror reason=".*" smtp\.mailfrom=permerror\.test$/);
});

test('nothing but header fields goes unanswered: over TCP the packet behind one that is waits 40 ms', async () => {
  const bench = await openBench('header = Received-SPF, Authentication-Results\nforwarding_hosts = 192.0.2.1');
  const bound = await bench.server.listen({ kind: 'tcp', host: '127.0.0.1', port: 0 });
  const client = await MilterClient.open(bound.kind === 'tcp' ? bound.port : 0);
  client.destroy();
  await bench.close();
  const unanswered = 0xff080; // SMFIP_NR_*
  assert.equal(client.protocol & unanswered, 0x80); // SMFIP_NR_HDR
});
