/**
 * `postern milter` attached to a real Postfix and a real Sendmail, DNS on loopback: what the client is told, and what
 * lies in the mailbox, field by field.
 */
import assert from 'node:assert/strict';
import { after, type TestContext, test } from 'node:test';
import { needPeer } from '../support/peers.js';
import { RawClient } from '../support/raw-client.js';
import { inTime, until } from '../support/until.js';
import { hostname, type MilterPeer, postfixWithMilter, sendmailWithMilter } from './milter-peer.js';

const ownClient = '127.1.2.3';

interface Mta {
  readonly name: string;
  readonly peer: string;
  readonly start: (config?: string) => Promise<MilterPeer>;
  running?: Promise<MilterPeer>;
}

const mtas: Mta[] = [
  { name: 'Postfix', peer: 'postfix', start: (config) => postfixWithMilter(config) },
  { name: 'Sendmail', peer: 'real-sendmail', start: (config) => sendmailWithMilter(config) },
];
after(async () => {
  for (const { running } of mtas) {
    const peer = await running?.catch(() => undefined);
    if (peer) await leave(peer);
  }
});

const clients: RawClient[] = [];

async function leave(peer: MilterPeer): Promise<void> {
  for (const client of clients.splice(0)) client.end();
  await peer.close();
}

async function connected(port: number, from = ownClient): Promise<RawClient> {
  const client = await RawClient.open({ port, from });
  clients.push(client);
  return client;
}

/** One MTA for all tests that do not change its milter. */
async function withMta(t: TestContext, mta: Mta, act: (peer: MilterPeer) => Promise<void>): Promise<void> {
  if (!needPeer(t, mta.peer)) return;
  mta.running ??= mta.start();
  await act(await mta.running);
}

let count = 0;

interface Mail {
  readonly from: string;
  readonly parameters?: string;
  readonly fields?: readonly string[];
}

/** Sendmail says whom a refusal is about. */
const words = (reply: string): string => reply.replace(/ <\S*>\.\.\. /, ' ');

/** The last reply, and the mail's Message-ID; the session stops at the first command that is refused. */
async function send(
  client: RawClient,
  { from, parameters = '', fields = [] }: Mail,
): Promise<[reply: string, id: string]> {
  const id = `<${process.pid}.${++count}@client.test>`;
  const lines = [
    ...fields,
    `Message-ID: ${id}`,
    'From: a@header.test',
    'Date: Thu, 1 Jan 2026 00:00:00 +0000',
    '',
    'text',
    '.',
  ];
  const commands = [`MAIL FROM:<${from}>${parameters}`, 'RCPT TO:<u@rcpt.test>', 'DATA', lines.join('\r\n')];
  for (const command of commands) {
    const reply = await client.say(command);
    if (!/^[23]/.test(reply)) return [reply, id];
    if (command === commands.at(-1)) return [reply, id];
  }
  throw new Error('not reached');
}

async function hello(port: number, from = ownClient, name = 'client.test'): Promise<RawClient> {
  const client = await connected(port, from);
  assert.match(await client.say(`EHLO ${name}`), /^250/);
  return client;
}

/** The header of the delivered mail with that id: `[name, value]` from the top, values unfolded. */
async function header(peer: MilterPeer, id: string): Promise<(readonly [name: string, value: string])[]> {
  const find = (): string | undefined => peer.delivered().find((text) => text.includes(id));
  await until(() => find() !== undefined, `${id} is delivered`);
  const [head = ''] = (find() ?? '').split('\n\n');
  return head
    .replace(/\n[ \t]+/g, ' ')
    .split('\n')
    .map((line): readonly [string, string] => {
      const at = line.indexOf(':');
      return [line.slice(0, at), line.slice(at + 1).trim()];
    });
}

/** What stands above the MTA's own Received field, but for what it writes at delivery. */
async function added(peer: MilterPeer, id: string): Promise<(readonly [name: string, value: string])[]> {
  const fields = (await header(peer, id)).filter(
    ([name]) => !/^(?:Return-Path|X-Original-To|Delivered-To)$/i.test(name),
  );
  return fields.slice(
    0,
    fields.findIndex(([name]) => name === 'Received'),
  );
}

const refusals: readonly [what: string, from: string, reply: string][] = [
  ['fail', 'a@fail.test', '550 5.7.23 SPF validation failed'],
  [
    'fail, in the words of the domain',
    'a@exp.test',
    `550 5.7.23 SPF validation failed: exp.test explains: ${ownClient} is not one of exp.test's 100% good hosts`,
  ],
  [
    'temperror',
    'a@temperror.test',
    '451 4.7.24 SPF validation error: the TXT look-up of temperror.test failed: SERVFAIL',
  ],
  [
    'permerror',
    'a@permerror.test',
    '550 5.7.24 SPF validation error: "foo:bar" in the record of permerror.test: no such mechanism',
  ],
];

const accepted: readonly [result: string, why: string, tail: string][] = [
  ['pass', `pass.test designates ${ownClient} as permitted sender by ip4:127.1.2.0/24`, 'mechanism="ip4:127.1.2.0/24"'],
  ['softfail', `softfail.test discourages mail from ${ownClient} by ~all`, 'mechanism=~all'],
  ['neutral', `neutral.test neither permits nor denies ${ownClient} by ?all`, 'mechanism=?all'],
  ['none', 'none.test has no SPF record', 'problem="none.test has no SPF record"'],
];

for (const mta of mtas) {
  for (const [what, from, expected] of refusals) {
    test(`${mta.name}: ${what} is refused at MAIL`, (t) =>
      withMta(t, mta, async ({ port }) => {
        const client = await hello(port);
        assert.equal(words(await client.say(`MAIL FROM:<${from}>`)), expected);
      }));
  }

  for (const [result, why, tail] of accepted) {
    test(`${mta.name}: ${result} is delivered with both fields on top`, (t) =>
      withMta(t, mta, async (peer) => {
        const client = await hello(peer.port);
        const [reply, id] = await send(client, { from: `a@${result}.test` });
        assert.match(reply, /^250/);
        assert.deepEqual(await added(peer, id), [
          ['Authentication-Results', `${hostname}; spf=${result} smtp.mailfrom=${result}.test`],
          [
            'Received-SPF',
            `${result} (${hostname}: ${why}) client-ip=${ownClient}; envelope-from="a@${result}.test"; ` +
              `helo=client.test; receiver=${hostname}; identity=mailfrom; ${tail}`,
          ],
        ]);
      }));
  }

  test(`${mta.name}: a forged Received-SPF is taken out, and one line of the log has the id and the results`, (t) =>
    withMta(t, mta, async (peer) => {
      const client = await hello(peer.port);
      const forged = 'pass (x) identity=mailfrom; envelope-from="a@softfail.test"; client-ip=127.1.2.3';
      const fields = [`Received-SPF: ${forged}`, 'Subject: x', `RECEIVED-spf: ${forged}`, `Received-SPF : ${forged}`];
      const [reply, id] = await send(client, { from: 'a@softfail.test', fields });
      assert.match(reply, /^250/);
      const found = (await header(peer, id)).filter(([name]) => /^received-spf\s*$/i.test(name));
      assert.deepEqual(
        found.map(([, value]) => value.split(' ')[0]),
        ['softfail'],
      );
      const facts = `id=[0-9A-Za-z]{6,} ip=${ownClient} from=a@softfail.test spf_helo=none spf_mailfrom=softfail`;
      await peer.milter.line(new RegExp(`^message passed ${facts}$`, 'm'));
    }));

  test(`${mta.name}: the mail itself is not touched`, (t) =>
    withMta(t, mta, async (peer) => {
      const client = await hello(peer.port);
      const fields = ['Subject: one', ' two', 'X-Odd:', 'X-Long: ' + 'x'.repeat(900), 'Subject: again'];
      const [, id] = await send(client, { from: 'a@pass.test', fields });
      const all = await header(peer, id);
      const own = all.slice(all.findIndex(([name]) => name === 'Subject'));
      assert.deepEqual(own.slice(0, 5), [
        ['Subject', 'one two'],
        ['X-Odd', ''],
        ['X-Long', 'x'.repeat(900)],
        ['Subject', 'again'],
        ['Message-ID', id],
      ]);
      assert.match(peer.delivered().find((text) => text.includes(id)) ?? '', /\n\ntext\n$/);
    }));

  test(`${mta.name}: a HELO name that fails is refused at MAIL, whoever the sender is`, (t) =>
    withMta(t, mta, async ({ port }) => {
      const client = await hello(port, ownClient, 'helo.fail.test');
      assert.equal(words(await client.say('MAIL FROM:<a@pass.test>')), '550 5.7.23 SPF validation failed');
    }));

  test(`${mta.name}: or at HELO, where reject_helo_at says so`, async (t) => {
    if (!needPeer(t, mta.peer)) return;
    const peer = await mta.start('reject_helo_at = helo');
    t.after(() => leave(peer));
    const client = await connected(peer.port);
    const replies = [
      words(await client.say('EHLO helo.fail.test')),
      words(await client.say('MAIL FROM:<a@pass.test>')),
    ];
    assert.ok(replies.includes('550 5.7.23 SPF validation failed'), String(replies));
    await peer.milter.line(
      /^HELO name refused: helo\.fail\.test ip=127\.1\.2\.3 result=fail code=550 reply="SPF validation failed"$/m,
    );
    const good = await hello(peer.port);
    assert.match((await send(good, { from: 'a@pass.test' }))[0], /^250/);
  });

  test(`${mta.name}: a null sender is judged as postmaster at its HELO name`, (t) =>
    withMta(t, mta, async (peer) => {
      const client = await hello(peer.port, ownClient, 'mail.host.test');
      const [, id] = await send(client, { from: '' });
      const [, field] = (await added(peer, id))[1] ?? [];
      assert.match(
        field ?? '',
        /^pass \(.*\) client-ip=127\.1\.2\.3; envelope-from="postmaster@mail\.host\.test"; helo=mail\.host\.test; .*identity=mailfrom; mechanism=a$/,
      );
    }));

  test(`${mta.name}: a trusted client is not judged`, (t) =>
    withMta(t, mta, async (peer) => {
      const client = await hello(peer.port, '127.9.9.9');
      const [reply, id] = await send(client, { from: 'a@fail.test' });
      assert.match(reply, /^250/);
      assert.deepEqual(await added(peer, id), []);
    }));

  test(`${mta.name}: several messages a connection, each is judged by its own sender`, (t) =>
    withMta(t, mta, async (peer) => {
      const client = await hello(peer.port);
      const results: string[] = [];
      for (const name of ['softfail', 'fail', 'none', 'pass']) {
        const [reply, id] = await send(client, { from: `a@${name}.test` });
        if (!reply.startsWith('250')) results.push(reply.slice(0, 10));
        else for (const [field, value] of await added(peer, id)) results.push(`${field} ${value.split(' ')[0]}`);
        if (!reply.startsWith('250')) await client.say('RSET');
      }
      assert.deepEqual(results, [
        `Authentication-Results ${hostname};`,
        'Received-SPF softfail',
        '550 5.7.23',
        `Authentication-Results ${hostname};`,
        'Received-SPF none',
        `Authentication-Results ${hostname};`,
        'Received-SPF pass',
      ]);
    }));

  test(`${mta.name}: a client that pipelines gets every reply in its place`, (t) =>
    withMta(t, mta, async (peer) => {
      const client = await hello(peer.port);
      client.write('MAIL FROM:<a@fail.test>\r\nRCPT TO:<u@rcpt.test>\r\nRSET\r\n');
      client.write('MAIL FROM:<a@pass.test>\r\nRCPT TO:<u@rcpt.test>\r\nDATA\r\n');
      const codes = (await client.hear(6)).map((reply) => reply.slice(0, 3));
      assert.deepEqual([codes[0], ...codes.slice(2)], ['550', '250', '250', '250', '354']);
      assert.match(codes[1] ?? '', /^5/);
      assert.match(await client.say('Subject: x\r\n\r\ntext\r\n.'), /^250/);
    }));

  test(`${mta.name}: forged results of ours are taken out, foreign ones stay`, (t) =>
    withMta(t, mta, async (peer) => {
      const client = await hello(peer.port);
      const fields = [
        `Authentication-Results: ${hostname}; spf=pass smtp.mailfrom=bank.test`,
        'Authentication-Results: elsewhere.test; spf=pass smtp.mailfrom=bank.test',
        `authentication-results: MX.Fixture.TEST. 1; dkim=pass`,
        'Authentication-Results: other.test; none',
        `Authentication-Results: (comment) "${hostname}"; none`,
      ];
      const [, id] = await send(client, { from: 'a@softfail.test', fields });
      const results = (await header(peer, id)).filter(([name]) => /^authentication-results$/i.test(name));
      assert.deepEqual(
        results.map(([, value]) => value.split(' ').slice(0, 2).join(' ')),
        [`${hostname}; spf=softfail`, 'elsewhere.test; spf=pass', 'other.test; none'],
      );
    }));

  test(`${mta.name}: a reload while a session runs is for the sessions behind it`, async (t) => {
    if (!needPeer(t, mta.peer)) return;
    const peer = await mta.start();
    t.after(() => leave(peer));
    const running = await hello(peer.port);
    assert.match(await running.say('MAIL FROM:<a@fail.test>'), /^550 5\.7\.23/);
    await peer.reload('reject_results = softfail\nsoftfail_reply_text = not so');
    const next = await hello(peer.port);
    assert.equal(words(await next.say('MAIL FROM:<a@softfail.test>')), '550 5.7.23 not so');
    const [reply, id] = await send(running, { from: 'a@softfail.test' });
    assert.match(reply, /^250/);
    assert.match((await added(peer, id))[1]?.[1] ?? '', /^softfail /);
  });

  test(`${mta.name}: when the milter dies, its mail is deferred`, async (t) => {
    if (!needPeer(t, mta.peer)) return;
    const peer = await mta.start();
    t.after(() => leave(peer));
    const client = await hello(peer.port);
    assert.match(await client.say('MAIL FROM:<a@pass.test>'), /^250/);
    peer.milter.kill('SIGKILL');
    await inTime(peer.milter.exited, 'it is gone');
    let last = '';
    for (const line of ['RCPT TO:<u@rcpt.test>', 'DATA', 'Subject: x\r\n\r\ntext\r\n.'])
      if (!/^[45]/.test(last)) last = await client.say(line);
    assert.match(last, /^4/);
  });

  test(`${mta.name}: a result to be quarantined is held, not delivered`, async (t) => {
    if (!needPeer(t, mta.peer)) return;
    const peer = await mta.start('quarantine_results = softfail');
    t.after(() => leave(peer));
    const client = await hello(peer.port);
    const [held, id] = await send(client, { from: 'a@softfail.test' });
    const [, next] = await send(client, { from: 'a@pass.test' });
    assert.match(held, /^250/);
    await header(peer, next);
    assert.ok(!peer.delivered().some((text) => text.includes(id)));
  });
}

test('Postfix: a client that has authenticated is not judged, and one with an IPv6 address is judged by it', async (t) => {
  if (!needPeer(t, 'postfix')) return;
  const peer = await postfixWithMilter('', ['inet_protocols = all']);
  t.after(() => leave(peer));
  const sent = async (identity: string, from: string): Promise<[reply: string, id: string]> => {
    const client = await hello(peer.port, '127.0.0.1');
    assert.match(await client.say(`XCLIENT NAME=client.test ${identity}`), /^220/);
    await client.say('EHLO client.test');
    return send(client, { from });
  };
  const [, authenticated] = await sent('ADDR=192.0.2.9 LOGIN=anna', 'a@fail.test');
  assert.deepEqual(await added(peer, authenticated), []);
  const [refused] = await sent('ADDR=IPV6:2001:db9::7', 'a@pass.test');
  assert.equal(refused, '550 5.7.23 SPF validation failed');
  const [, permitted] = await sent('ADDR=IPV6:2001:db8::7', 'a@pass.test');
  assert.match((await added(peer, permitted))[1]?.[1] ?? '', /^pass .* client-ip="2001:db8::7"; /);
});

test('Sendmail: a client that has authenticated is not judged, one that failed to is', async (t) => {
  if (!needPeer(t, 'real-sendmail', 'sasl')) return;
  const peer = await sendmailWithMilter('', { user: 'anna', password: 'secret' });
  t.after(() => leave(peer));
  const login = async (password: string): Promise<RawClient> => {
    const client = await hello(peer.port);
    const reply = await client.say(`AUTH PLAIN ${Buffer.from(`\0anna\0${password}`).toString('base64')}`);
    assert.match(reply, password === 'secret' ? /^235 / : /^535 /);
    return client;
  };
  const [reply, id] = await send(await login('secret'), { from: 'a@fail.test' });
  assert.match(reply, /^250/);
  assert.deepEqual(await added(peer, id), []);
  const [refused] = await send(await login('wrong'), { from: 'a@fail.test' });
  assert.equal(words(refused), '550 5.7.23 SPF validation failed');
  await peer.reload('trust_authenticated_senders = no');
  const [judged] = await send(await login('secret'), { from: 'a@fail.test' });
  assert.equal(words(judged), '550 5.7.23 SPF validation failed');
});

for (const version of [2, 3, 4]) {
  test(`Postfix that speaks version ${version} of the protocol is served as well`, async (t) => {
    if (!needPeer(t, 'postfix')) return;
    const peer = await postfixWithMilter('', [`milter_protocol = ${version}`]);
    t.after(() => leave(peer));
    const client = await hello(peer.port);
    assert.equal(await client.say('MAIL FROM:<a@fail.test>'), '550 5.7.23 SPF validation failed');
    const forged = `Authentication-Results: ${hostname}; spf=pass`;
    const [reply, id] = await send(client, { from: 'a@softfail.test', fields: [forged] });
    assert.match(reply, /^250/);
    const results = (await header(peer, id)).filter(([name]) =>
      /^(?:received-spf|authentication-results)$/i.test(name),
    );
    assert.deepEqual(
      results.map(([name, value]) => `${name} ${value.split(' ').slice(0, 2).join(' ')}`),
      [`Authentication-Results ${hostname}; spf=softfail`, `Received-SPF softfail (${hostname}:`],
    );
  });
}
