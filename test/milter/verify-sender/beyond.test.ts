/**
 * What spf-milter has not: exemptions, forwarding hosts, the next hop's view, hold and mark; and sessions of several
 * messages.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Bench, type BenchOptions, openBench } from './bench.js';
import { MilterClient } from './client.js';

type Talk = (client: MilterClient, bench: Bench) => Promise<void>;

async function session(config: string, talk: Talk, options: BenchOptions = {}): Promise<void> {
  const bench = await openBench(config, options);
  const client = await MilterClient.open(bench.path);
  try {
    await talk(client, bench);
    assert.deepEqual(bench.problems, []);
  } finally {
    client.destroy();
    await bench.close();
  }
}

async function greet(client: MilterClient, ip = '192.0.2.7', helo = 'client.test'): Promise<void> {
  assert.equal((await client.connect(ip)).verdict, 'continue');
  await client.helo(helo);
}

const refused = '550 5.7.23 SPF validation failed';
const verdict = async (answered: ReturnType<MilterClient['data']>): Promise<string> => (await answered).verdict;
const edits = async (answered: ReturnType<MilterClient['data']>): Promise<string> => (await answered).edits.join('\n');

test('a refused message leaves the next one of the session as it is', () =>
  session('', async (client) => {
    await greet(client);
    for (let i = 0; i < 2; i++) {
      assert.equal(await verdict(client.mail('a@fail.test')), refused);
      client.abort();
      assert.equal(await verdict(client.mail('a@softfail.test')), 'continue');
      await client.rcpt('u@rcpt.test');
      await client.data();
      assert.match(await edits(client.message()), /^insert Received-SPF: softfail /);
      client.abort();
    }
  }));

test('HELO is verified once in a session, and again under another name', () =>
  session('', async (client, { lines }) => {
    await greet(client, '192.0.2.7', 'helo.soft.test');
    for (const from of ['a@pass.test', '']) {
      await client.mail(from);
      client.abort();
    }
    await client.helo('none.test');
    await client.mail('a@pass.test');
    assert.deepEqual(
      lines.filter((line) => line.includes('(helo)')),
      ['info: helo.soft.test (helo): softfail', 'info: none.test (helo): none'],
    );
    assert.ok(lines.includes('info: postmaster@helo.soft.test (mailfrom): softfail'), lines.join('\n'));
  }));

test('an error of the DNS is told in the log, with its reason', () =>
  session('', async (client, { lines, seen }) => {
    await greet(client);
    await client.mail('a@temperror.test');
    assert.ok(
      lines.includes(
        'info: a@temperror.test (mailfrom): temperror (the TXT look-up of temperror.test failed: timed out)',
      ),
    );
    assert.deepEqual(
      seen.map((event) => (event.kind === 'result' ? `${event.identity} ${event.result}` : event.kind)),
      ['session', 'helo none', 'mailfrom temperror', 'message'],
    );
  }));

test('the trace of each result, where it is wanted', () =>
  session(
    '',
    async (client, { lines }) => {
      await greet(client);
      await client.mail('a@fail.test');
      assert.equal(lines.filter((line) => line === 'debug: how the result came about').length, 2);
    },
    { trace: true },
  ));

test('a session keeps the configuration it began with', () =>
  session('', async (old, bench) => {
    await greet(old);
    bench.configure('reject_results =');
    const young = await MilterClient.open(bench.path);
    await greet(young);
    assert.equal(await verdict(young.mail('a@fail.test')), 'continue');
    assert.equal(await verdict(old.mail('a@fail.test')), refused);
    young.destroy();
  }));

test('skip_recipients: refusal waits for RCPT, and spares who is exempt', () =>
  session('skip_recipients = postmaster@rcpt.test', async (client, { seen }) => {
    await greet(client);
    assert.equal(await verdict(client.mail('a@fail.test')), 'continue');
    assert.equal(await verdict(client.rcpt('u@rcpt.test')), refused);
    assert.equal(await verdict(client.rcpt('Postmaster@RCPT.test')), 'continue');
    assert.equal(await verdict(client.data()), 'continue');
    assert.match(await edits(client.message()), /^insert Received-SPF: fail /);
    assert.deepEqual(seen.at(-1), { kind: 'message', verdict: 'passed' });
  }));

test('skip_recipients: who is not refused for SPF is as ever', () =>
  session('skip_recipients = postmaster@rcpt.test', async (client) => {
    await greet(client);
    await client.mail('a@pass.test');
    assert.equal(await verdict(client.rcpt('u@rcpt.test')), 'continue');
    assert.equal(await verdict(client.data()), 'continue');
    assert.match(await edits(client.message()), /^insert Received-SPF: pass /);
  }));

const exempt: readonly [
  what: string,
  config: string,
  client: { ip?: string; helo?: string; name?: string },
  expected: string,
][] = [
  [
    'a listed HELO name that passes SPF',
    'skip_helo_names = mail.host.test',
    { ip: '192.0.2.10', helo: 'mail.host.test' },
    'continue',
  ],
  ['a listed HELO name of somebody else', 'skip_helo_names = mail.host.test', { helo: 'mail.host.test' }, refused],
  [
    'a listed HELO name of a client whose confirmed name is listed',
    'skip_helo_names = .host.test',
    { helo: 'x.host.test', name: 'y.host.test' },
    'continue',
  ],
  ['a confirmed name behind another HELO name', 'skip_helo_names = .host.test', { name: 'y.host.test' }, refused],
  ['a forwarder by its confirmed name', 'skip_forwarders = .host.test', { name: 'y.host.test' }, 'continue'],
  ['a forwarder as a domain that permits it', 'skip_forwarders = pass.test', {}, 'continue'],
  ['a forwarder as a domain that does not', 'skip_forwarders = softfail.test, .pass.test', {}, refused],
];
for (const [what, config, { ip, helo, name }, expected] of exempt) {
  test(`exempt: ${what}`, () =>
    session(
      `${config}\nreject_helo_results =`,
      async (client) => {
        await greet(client, ip, helo);
        assert.equal(await verdict(client.mail('a@fail.test')), expected);
        if (expected !== 'continue') return;
        await client.rcpt('u@rcpt.test');
        await client.data();
        assert.match(await edits(client.message()), /^insert Received-SPF: fail /);
      },
      name === undefined ? {} : { clientName: name },
    ));
}

const received = (ip: string, helo = 'client.test') =>
  [
    'Received',
    `from ${helo} (unknown [${ip}])\n\tby mx2.test (Postfix) with ESMTP id X;\n\tThu, 1 Jan 2026 00:00:00 +0000`,
  ] as const;
const forwarding = 'forwarding_hosts = 198.51.100.0/24\ntrusted_networks = loopback, 10.0.0.0/8';

const chains: readonly [what: string, from: string, fields: ReturnType<typeof received>[], expected: RegExp][] = [
  [
    'the client it names is verified',
    'a@pass.test',
    [received('192.0.2.7')],
    /^insert Received-SPF: pass .*client-ip=192\.0\.2\.7;.*helo=client\.test/s,
  ],
  ['and refused', 'a@fail.test', [received('192.0.2.7')], /^550 5\.7\.23 SPF validation failed$/],
  ['and its HELO name', 'a@pass.test', [received('192.0.2.7', 'helo.fail.test')], /^550 5\.7\.23/],
  [
    'behind several of them',
    'a@pass.test',
    [received('198.51.100.9'), received('192.0.2.7'), received('203.0.113.1')],
    /Received-SPF: pass .*client-ip=192\.0\.2\.7/s,
  ],
  ['of what the client wrote nothing counts', 'a@fail.test', [received('192.0.2.7'), received('10.1.2.3')], /^550/],
  ['a trusted client behind it', 'a@fail.test', [received('10.1.2.3')], /^continue$/],
  ['no field that names a client', 'a@fail.test', [], /^continue$/],
];
for (const [what, from, fields, expected] of chains) {
  test(`forwarding host: ${what}`, () =>
    session(forwarding, async (client) => {
      await greet(client, '198.51.100.1', 'mx2.test');
      assert.equal(await verdict(client.mail(from)), 'continue');
      await client.rcpt('u@rcpt.test');
      assert.equal(await verdict(client.data()), 'continue');
      const answered = await client.message(fields);
      assert.match(answered.edits.join('\n') || answered.verdict, expected);
    }));
}

const prospective: readonly [what: string, ip: string | undefined, from: string, auth: boolean, expected: string][] = [
  [
    'a trusted client’s mail that the next hop would refuse',
    '127.0.0.1',
    'a@fail.test',
    false,
    '550 5.7.23 SPF validation failed',
  ],
  ['one that it would take', '127.0.0.1', 'a@pass.test', false, 'continue'],
  ['an authenticated sender’s', '203.0.113.5', 'a@fail.test', true, '550 5.7.23 SPF validation failed'],
  ['local mail', undefined, 'a@fail.test', false, '550 5.7.23 SPF validation failed'],
  ['a bounce of ours', '127.0.0.1', '', false, 'continue'],
  [
    'a foreign client is judged by its own address',
    '203.0.113.5',
    'a@pass.test',
    false,
    '550 5.7.23 SPF validation failed',
  ],
];
for (const [what, ip, from, auth, expected] of prospective) {
  test(`prospective_ip: ${what}`, () =>
    session('prospective_ip = 192.0.2.9', async (client) => {
      await client.connect(ip);
      await client.helo('client.test');
      assert.equal(await verdict(client.mail(from, auth ? { auth_authen: 'joe' } : {})), expected);
      if (expected !== 'continue') return;
      await client.rcpt('u@rcpt.test');
      await client.data();
      assert.equal(await edits(client.message()), '');
    }));
}

test('results to be held are, and results to be marked are; a mark that came with the mail goes', () =>
  session(
    'quarantine_results = softfail\nmark_results = softfail\nmark_field = X-Suspect',
    async (client, { seen }) => {
      await greet(client);
      await client.mail('a@softfail.test');
      await client.rcpt('u@rcpt.test');
      await client.data();
      const got = await edits(
        client.message([
          ['X-suspect', 'no'],
          ['X-Suspect', 'never'],
        ]),
      );
      assert.match(got, /^delete X-Suspect #2\ndelete X-suspect #1\n/);
      assert.match(got, /insert Received-SPF: softfail [^]*\ninsert X-Suspect: softfail/);
      assert.match(got, /quarantine SPF softfail: softfail\.test/);
      assert.deepEqual(seen.at(-1), { kind: 'message', verdict: 'held' });
    },
  ));

test('other results are neither held nor marked', () =>
  session('quarantine_results = softfail\nmark_results = softfail', async (client) => {
    await greet(client);
    await client.mail('a@pass.test');
    await client.rcpt('u@rcpt.test');
    await client.data();
    assert.match(await edits(client.message()), /^insert Received-SPF: pass [^\n]*(\n\t[^\n]*)*$/);
  }));
