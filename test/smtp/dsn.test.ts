/**
 * Delivery status notifications (RFC 3461): offered where every MTA behind offers them, and what is asked for reaches
 * the MTA octet for octet.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { release } from '../../src/quarantine/care/release.js';
import { openRelay } from '../../src/relay/relay.js';
import { request } from '../relay/support/requests.js';
import { ScriptedMta } from '../relay/support/scripted-mta.js';
import { destinations, usual } from '../relay/support/with-relay.js';
import { PosternProcess } from '../support/child.js';
import { filesBelow } from '../support/files-below.js';
import { RawClient } from '../support/raw-client.js';
import { ScriptedFilter } from '../support/scripted-filter.js';
import { patience, until } from '../support/until.js';

const withDsn = [...usual, 'DSN'];

async function mtaOf(t: TestContext, extensions: readonly string[]): Promise<ScriptedMta> {
  const mta = await ScriptedMta.start({ extensions });
  t.after(() => mta.stop());
  return mta;
}

async function replies(client: RawClient, ...lines: readonly string[]): Promise<string[]> {
  const all: string[] = [];
  for (const line of lines) all.push(await client.say(line));
  return all;
}

/** Waits until new clients are offered it, or not any more. */
async function untilOffered(postern: PosternProcess, isOffered: boolean): Promise<void> {
  for (const late = Date.now() + patience; (await offers(postern)) !== isOffered; await sleep(20))
    if (Date.now() > late) throw new Error(`DSN is ${isOffered ? 'not' : 'still'} offered`);
}

async function offers(postern: PosternProcess): Promise<boolean> {
  const client = await RawClient.open(postern);
  const welcome = await client.say('EHLO client.example');
  client.end();
  return /^250[ -]DSN$/m.test(welcome);
}

test('it is offered once every MTA was asked, withdrawn when one is met that has none, and back when that is gone', async (t) => {
  const [mta, other, without] = await Promise.all([mtaOf(t, withDsn), mtaOf(t, withDsn), mtaOf(t, usual)]);
  const postern = await PosternProcess.start({
    relayPort: mta.port,
    markers: ['example.com/users/valid/*', 'own.example/users/valid/*'],
  });
  t.after(() => postern.close());
  const own = join(postern.root, 'srv/own.example/relay');
  await untilOffered(postern, true);
  const client = await RawClient.open(postern);
  const said = await replies(
    client,
    'EHLO client.example',
    'MAIL FROM:<s@sender.example> RET=hdrs ENVID=QQ+2B314 SIZE=100',
    'RCPT TO:<a@example.com> NOTIFY=SUCCESS,delay ORCPT=rfc822;Alias+40old@example.com',
    'RCPT TO:<b@example.com> NOTIFY=NEVER',
    'RCPT TO:<c@example.com>',
    'RCPT TO:<d@example.com> NOTIFY=SOMETIMES',
    'RCPT TO:<a@example.com> NOTIFY=NEVER',
    'DATA',
  );
  assert.deepEqual(
    said.map((reply) => reply.slice(0, 3)),
    ['250', '250', '250', '250', '250', '501', '250', '354'],
  );
  assert.match(await client.say('Subject: x\r\n\r\nx\r\n.'), /^250 /);
  const [{ from, to } = { from: '', to: [] }] = mta.messages;
  assert.match(from, /^MAIL FROM:<s@sender\.example> SIZE=\d+ RET=hdrs ENVID=QQ\+2B314$/);
  assert.deepEqual(to, [
    'RCPT TO:<a@example.com> NOTIFY=SUCCESS,delay ORCPT=rfc822;Alias+40old@example.com',
    'RCPT TO:<b@example.com> NOTIFY=NEVER',
    'RCPT TO:<c@example.com>',
  ]);

  const send = (): Promise<string[]> =>
    replies(client, 'MAIL FROM:<s@sender.example>', 'RCPT TO:<a@own.example> NOTIFY=NEVER', 'RSET');
  writeFileSync(own, `127.0.0.1:${other.port}\n`);
  await send();
  await until(() => other.said.includes('QUIT'));
  assert.ok(await offers(postern));
  writeFileSync(own, `127.0.0.1:${without.port}\n`);
  await send();
  await untilOffered(postern, false);
  rmSync(own);
  process.kill(postern.pid, 'SIGHUP');
  await untilOffered(postern, true);
  client.end();
  const before = postern.worker;
  process.kill(before, 'SIGKILL');
  await until(() => postern.listening.length > 1);
  await untilOffered(postern, true);
});

test('it is not offered where the MTA has none: 555 as for any parameter', async (t) => {
  const mta = await mtaOf(t, usual);
  const postern = await PosternProcess.start({ relayPort: mta.port, markers: ['example.com/users/valid/*'] });
  t.after(() => postern.close());
  await until(() => mta.said.includes('QUIT'));
  const client = await RawClient.open(postern);
  const said = await replies(
    client,
    'EHLO client.example',
    'MAIL FROM:<s@sender.example> RET=HDRS',
    'MAIL FROM:<s@sender.example>',
    'RCPT TO:<a@example.com> NOTIFY=NEVER',
  );
  client.end();
  assert.doesNotMatch(said[0] ?? '', /DSN/);
  assert.match(said[1] ?? '', /^555 5\.5\.4 /);
  assert.match(said[3] ?? '', /^555 5\.5\.4 /);
});

test('an MTA that has lost it gets the mail without; one without SMTPUTF8 no address that needs it', async (t) => {
  const dsn = {
    mail: ' RET=FULL',
    recipients: new Map([
      ['foo@example.com', ' NOTIFY=NEVER'],
      ['bar@example.com', ' ORCPT=utf-8;b\u00fcro@example.com'],
    ]),
  };
  const mail = request({ dsn, recipients: ['foo@example.com', 'bar@example.com'] });
  for (const [extensions, from, to] of [
    [
      ['DSN'],
      'MAIL FROM:<sender@example.net> RET=FULL',
      ['RCPT TO:<foo@example.com> NOTIFY=NEVER', 'RCPT TO:<bar@example.com>'],
    ],
    [[], 'MAIL FROM:<sender@example.net>', ['RCPT TO:<foo@example.com>', 'RCPT TO:<bar@example.com>']],
  ] as const) {
    const mta = await mtaOf(t, extensions);
    const relay = openRelay({
      destinations: destinations(`127.0.0.1:${mta.port}`),
      hostname: 'postern.example',
      connections: 1,
      timeoutMs: 20_000,
    });
    assert.equal((await relay.send(mail)).kind, 'accepted');
    await relay.close();
    assert.deepEqual([mta.messages[0]?.from, mta.messages[0]?.to], [from, to]);
  }
});

for (const words of [' RET=FULL\r\nRSET', ' RET=a b', 'RET=FULL', ' NOTIFY=\u0085']) {
  test(`words that are none are refused before the MTA hears of them: ${JSON.stringify(words)}`, async (t) => {
    const mta = await mtaOf(t, withDsn);
    const relay = openRelay({
      destinations: destinations(`127.0.0.1:${mta.port}`),
      hostname: 'postern.example',
      connections: 1,
      timeoutMs: 20_000,
    });
    const recipients = new Map([['foo@example.com', words]]);
    assert.equal((await relay.send(request({ dsn: { mail: words, recipients: new Map() } }))).kind, 'refused');
    assert.equal((await relay.send(request({ dsn: { mail: '', recipients } }))).kind, 'refused');
    await relay.close();
    assert.equal(mta.lines.length, 0);
  });
}

test('a milter is told what is asked for, word by word', async (t) => {
  const mta = await mtaOf(t, withDsn);
  const filter = await ScriptedFilter.start();
  const folder = mkdtempSync(join(tmpdir(), 'postern-dsn-'));
  const plugins = join(folder, 'plugins');
  writeFileSync(plugins, `valid_users\nmilter ${filter.place} name=test\n`);
  const postern = await PosternProcess.start({
    relayPort: mta.port,
    markers: ['example.com/users/valid/*'],
    settings: [`plugins=${plugins}`],
  });
  t.after(async () => {
    await postern.close();
    await filter.close();
    rmSync(folder, { recursive: true });
  });
  await untilOffered(postern, true);
  const client = await RawClient.open(postern);
  await replies(
    client,
    'EHLO client.example',
    'MAIL FROM:<s@sender.example> RET=HDRS ENVID=QQ+2B314',
    'RCPT TO:<a@example.com> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;old@example.com',
    'RCPT TO:<b@example.com>',
  );
  client.end();
  assert.deepEqual(filter.heardOf('M'), ['<s@sender.example>|RET=HDRS|ENVID=QQ+2B314|']);
  assert.deepEqual(filter.heardOf('R'), [
    '<a@example.com>|NOTIFY=SUCCESS,DELAY|ORCPT=rfc822;old@example.com|',
    '<b@example.com>|',
  ]);
});

test('an MTA that a plugin alone names is asked as well', async (t) => {
  const [mta, without] = await Promise.all([mtaOf(t, withDsn), mtaOf(t, usual)]);
  const folder = mkdtempSync(join(tmpdir(), 'postern-dsn-'));
  const verdict = { kind: 'route', to: `127.0.0.1:${without.port}`, log: 'by the test' };
  writeFileSync(
    join(folder, 'away.mjs'),
    `export default { name: 'away', rcpt: () => (${JSON.stringify(verdict)}) };\n`,
  );
  writeFileSync(join(folder, 'list'), 'valid_users\naway\n');
  const postern = await PosternProcess.start({
    relayPort: mta.port,
    markers: ['example.com/users/valid/*'],
    settings: [`plugins=${join(folder, 'list')}`, `plugin_dirs=${folder}`],
  });
  t.after(async () => {
    await postern.close();
    rmSync(folder, { recursive: true });
  });
  await untilOffered(postern, true);
  const client = await RawClient.open(postern);
  await replies(client, 'EHLO client.example', 'MAIL FROM:<s@sender.example>', 'RCPT TO:<a@example.com>', 'DATA');
  assert.match(await client.say('Subject: x\r\n\r\nx\r\n.'), /^250 /);
  client.end();
  assert.equal(without.messages.length, 1);
  await untilOffered(postern, false);
});

test('a mail that is released from the quarantine asks for what it came with', async (t) => {
  const mta = await mtaOf(t, withDsn);
  const postern = await PosternProcess.start({ relayPort: mta.port, markers: ['example.com/users/valid/bob'] });
  t.after(() => postern.close());
  await untilOffered(postern, true);
  const client = await RawClient.open(postern);
  const original = `rfc822;${'old+40'.repeat(80)}`;
  await replies(
    client,
    'EHLO client.example',
    `MAIL FROM:<s@sender.example> RET=HDRS ENVID=${'Q'.repeat(100)}`,
    `RCPT TO:<a@example.com> NOTIFY=SUCCESS,DELAY ORCPT=${original}`,
    'RCPT TO:<b@example.com>',
    'DATA',
  );
  assert.match(await client.say('X-DSN: NOTIFY=NEVER\r\n\r\nx\r\n.'), /^550 /);
  client.end();
  const root = join(postern.root, 'spam');
  const relay = openRelay({
    destinations: destinations(`127.0.0.1:${mta.port}`),
    hostname: 'mx.example',
    connections: 1,
    timeoutMs: patience,
  });
  t.after(() => relay.close());
  const order = {
    root,
    relay,
    hostname: 'mx.example',
    by: 'anna',
    form: 'raw',
    again: false,
    hasUser: () => false,
  } as const;
  for (const file of filesBelow(root).filter((path) => path.includes('/new/'))) {
    const [yday = '', domain = '', , filename = ''] = relative(root, file).split('/');
    assert.equal((await release({ yday, domain, filename }, order)).kind, 'released');
  }
  const ofMail = `MAIL FROM:<s@sender.example> RET=HDRS ENVID=${'Q'.repeat(100)}`;
  const envelopes = mta.messages.map(({ from, to }) =>
    [from.replace(/ SIZE=\d+| BODY=8BITMIME/g, ''), ...to].join('\n'),
  );
  assert.deepEqual(envelopes.toSorted(), [
    `${ofMail}\nRCPT TO:<a@example.com> NOTIFY=SUCCESS,DELAY ORCPT=${original}`,
    `${ofMail}\nRCPT TO:<b@example.com>`,
  ]);
});
