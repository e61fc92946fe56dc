import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { replyText } from '../../src/mail/reply.js';
import { request } from './support/requests.js';
import { close, reset, silence, type Answer, type Step } from './support/scripted-mta.js';
import { pause, until, usual, withRelay } from './support/with-relay.js';

const mails = (count: number): readonly number[] => Array.from({ length: count }, (_, i) => i);

test('one connection serves one mail after the other', async () => {
  await withRelay({ mta: { extensions: usual } }, async ({ mta, relay }) => {
    for (const _ of mails(20)) assert.equal((await relay.send(request())).kind, 'accepted');
    assert.equal(mta.lines.length, 1);
    assert.equal(mta.said.filter((line) => line.startsWith('EHLO')).length, 1);
  });
});

test('never more connections than allowed, and first come is first served', async () => {
  await withRelay({ mta: { extensions: usual }, relay: { connections: 3 } }, async ({ mta, relay }) => {
    const recipients = mails(60).map((i) => `user${i}@example.com`);
    const results = await Promise.all(recipients.map((recipient) => relay.send(request({ recipients: [recipient] }))));
    assert.ok(results.every(({ kind }) => kind === 'accepted'));
    assert.equal(mta.lines.length, 3);
    const order = mta.messages.map(({ to }) => Number(/\d+/.exec(to[0] ?? '')?.[0]));
    assert.ok(
      order.every((number, i) => Math.abs(number - i) < 6),
      order.join(' '),
    );
  });
});

test('waiting for a place ends with the time limit', async () => {
  const script = ({ verb }: Step): Answer => (verb === '.' ? silence : undefined);
  await withRelay(
    { mta: { extensions: usual, script }, relay: { connections: 1, timeoutMs: 200 } },
    async ({ mta, relay }) => {
      const first = relay.send(request());
      await pause(100);
      const others = mails(5).map(() => relay.send(request()));
      const results = await Promise.all([first, ...others]);
      assert.ok(results.every(({ kind }) => kind === 'unreachable'));
      assert.ok(mta.messages.length <= 2);
    },
  );
});

const deaths: readonly (readonly [string, (step: Step) => Answer])[] = [
  ['closes at the second MAIL', ({ verb, mail }) => (verb === 'MAIL' && mail === 2 ? close : undefined)],
  ['resets at the second MAIL', ({ verb, mail }) => (verb === 'MAIL' && mail === 2 ? reset : undefined)],
  [
    'says 421 to the second MAIL',
    ({ verb, mail }) => (verb === 'MAIL' && mail === 2 ? '421 4.4.2 timeout' : undefined),
  ],
];

for (const extensions of [usual, [...usual, 'XFORWARD NAME ADDR'], []]) {
  for (const [what, script] of deaths) {
    test(`a kept connection that ${what} costs the mail nothing (EHLO: ${extensions.join(', ')})`, async () => {
      await withRelay({ mta: { extensions, script } }, async ({ mta, relay }) => {
        for (const _ of mails(2)) assert.equal((await relay.send(request())).kind, 'accepted');
        assert.equal(mta.messages.length, 2);
        assert.equal(mta.lines.length, 2);
      });
    });
  }
}

test('a kept connection that falls silent ends in time, and gives its place back', async () => {
  const script = ({ verb, mail }: Step): Answer => (verb === 'MAIL' && mail === 2 ? silence : undefined);
  const options = { mta: { extensions: usual, script }, relay: { connections: 1, timeoutMs: 300 } };
  await withRelay(options, async ({ mta, relay }) => {
    const kinds: string[] = [];
    for (const _ of mails(3)) kinds.push((await relay.send(request())).kind);
    assert.deepEqual(kinds, ['accepted', 'unreachable', 'accepted']);
    assert.equal(mta.messages.length, 2);
  });
});

test('connections that the MTA closed while they were idle are not used', async () => {
  await withRelay({ mta: { extensions: usual } }, async ({ mta, relay }) => {
    await Promise.all(mails(4).map(() => relay.send(request())));
    mta.disconnect();
    const results = await Promise.all(mails(4).map(() => relay.send(request())));
    assert.ok(results.every(({ kind }) => kind === 'accepted'));
    assert.equal(mta.messages.length, 8);
  });
});

test('an idle connection that hears 421 is not used', async () => {
  const script = ({ verb, mail }: Step): Answer =>
    verb === '.' && mail === 1 ? '250 2.0.0 Ok\r\n421 4.4.2 idle' : undefined;
  await withRelay({ mta: { extensions: usual, script } }, async ({ mta, relay }) => {
    assert.equal((await relay.send(request())).kind, 'accepted');
    await pause(20);
    assert.equal((await relay.send(request())).kind, 'accepted');
    assert.equal(mta.messages.length, 2);
  });
});

const noSecondTry: readonly (readonly [string, Step['verb'], number])[] = [
  ['at RCPT', 'RCPT', 1],
  ['at DATA', 'DATA', 1],
  ['behind the end of data', '.', 2],
];

for (const [where, verb, handed] of noSecondTry) {
  test(`a kept connection that dies ${where} is no stale one: no second try, no duplicate`, async () => {
    const script = (step: Step): Answer => (step.verb === verb && step.mail === 2 ? close : undefined);
    await withRelay({ mta: { extensions: ['8BITMIME'], script } }, async ({ mta, relay }) => {
      assert.equal((await relay.send(request())).kind, 'accepted');
      assert.equal((await relay.send(request())).kind, 'unreachable');
      assert.equal(mta.messages.length, handed);
      assert.equal(mta.mails, 2);
    });
  });
}

test('a fresh connection that dies at MAIL is not tried again', async () => {
  const script = ({ verb }: Step): Answer => (verb === 'MAIL' ? close : undefined);
  await withRelay({ mta: { extensions: usual, script } }, async ({ mta, relay }) => {
    assert.equal((await relay.send(request())).kind, 'unreachable');
    assert.equal(mta.lines.length, 1);
  });
});

test('a connection outlives a pause between two mails', async () => {
  await withRelay({ mta: { extensions: usual }, relay: { idleMs: 10_000 } }, async ({ mta, relay }) => {
    for (const _ of mails(3)) {
      assert.equal((await relay.send(request())).kind, 'accepted');
      await pause(50);
    }
    assert.equal(mta.lines.length, 1);
  });
});

for (const extensions of [usual, ['8BITMIME']]) {
  const how = extensions === usual ? '' : ', without PIPELINING';

  test(`an MTA that says 452 to MAIL after three mails a session gets them all${how}`, async () => {
    const counts = new Map<number, number>();
    const script = ({ verb, connection }: Step): Answer => {
      if (verb !== 'MAIL') return undefined;
      const count = (counts.get(connection) ?? 0) + 1;
      counts.set(connection, count);
      return count > 3 ? '452 4.5.3 Too many messages sent' : undefined;
    };
    await withRelay({ mta: { extensions, script } }, async ({ mta, relay }) => {
      for (const _ of mails(20)) assert.equal((await relay.send(request())).kind, 'accepted');
      assert.equal(mta.messages.length, 20);
      assert.equal(mta.lines.length, 7);
      await until(() => mta.open === 1); // the others were ended, not left to hold a process of the MTA
    });
  });

  test(`a 4xx to MAIL that a fresh connection hears, too, is the verdict${how}`, async () => {
    const script = ({ verb, mail }: Step): Answer => (verb === 'MAIL' && mail > 1 ? '452 4.3.1 Disk full' : undefined);
    await withRelay({ mta: { extensions, script } }, async ({ mta, relay }) => {
      assert.equal((await relay.send(request())).kind, 'accepted');
      const second = await relay.send(request());
      assert.equal(second.kind === 'refused' ? replyText(second.reply) : second.kind, '452 4.3.1 Disk full');
      assert.equal(mta.mails, 3);
    });
  });
}

test('a connection is ended after so many mails', async () => {
  await withRelay({ mta: { extensions: usual }, relay: { mailsPerConnection: 3 } }, async ({ mta, relay }) => {
    for (const _ of mails(9)) assert.equal((await relay.send(request())).kind, 'accepted');
    assert.equal(mta.lines.length, 3);
    await until(() => mta.open === 0);
    assert.equal(mta.said.filter((line) => line === 'QUIT').length, 3);
  });
});

test('connections that nobody uses are ended with QUIT', async () => {
  await withRelay({ mta: { extensions: usual }, relay: { idleMs: 50 } }, async ({ mta, relay }) => {
    await Promise.all(mails(3).map(() => relay.send(request())));
    await until(() => mta.open === 0);
    assert.equal(mta.said.filter((line) => line === 'QUIT').length, 3);
    assert.equal((await relay.send(request())).kind, 'accepted');
  });
});

test('once no client is there one connection is kept for the next mail, and the others are ended soon', async () => {
  await withRelay({ mta: { extensions: usual }, relay: { idleMs: 3_600_000 } }, async ({ mta, relay }) => {
    await Promise.all(mails(3).map(() => relay.send(request())));
    relay.rest();
    await until(() => mta.open === 1);
    assert.equal(mta.said.filter((line) => line === 'QUIT').length, 2);
    assert.equal((await relay.send(request())).kind, 'accepted');
    assert.equal(mta.lines.length, 3);
  });
});

test('the one that is kept when no client is there is ended like any other that nobody uses', async () => {
  await withRelay({ mta: { extensions: usual }, relay: { idleMs: 50 } }, async ({ mta, relay }) => {
    await relay.send(request());
    relay.rest();
    await until(() => mta.open === 0);
    assert.equal(mta.said.filter((line) => line === 'QUIT').length, 1);
  });
});

test('close lets mails under way finish, ends every session and takes no more mail', async () => {
  await withRelay({ mta: { extensions: usual }, relay: { connections: 2 } }, async ({ mta, relay }) => {
    const under = mails(10).map(() => relay.send(request()));
    await relay.close();
    assert.ok((await Promise.all(under)).every(({ kind }) => kind === 'accepted'));
    assert.equal((await relay.send(request())).kind, 'unreachable');
    await until(() => mta.open === 0);
    assert.equal(mta.said.filter((line) => line === 'QUIT').length, 2);
  });
});

test('close does not wait for an MTA that ignores QUIT', async () => {
  const script = ({ verb }: Step): Answer => (verb === 'QUIT' ? silence : undefined);
  await withRelay({ mta: { extensions: usual, script } }, async ({ mta, relay }) => {
    await relay.send(request());
    await relay.close();
    await until(() => mta.open === 0);
  });
});

test('a UNIX-domain socket does as well', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'relay-'));
  try {
    await withRelay({ mta: { extensions: usual, path: path.join(folder, 'mta') } }, async ({ mta, relay }) => {
      for (const _ of mails(3)) assert.equal((await relay.send(request())).kind, 'accepted');
      assert.equal(mta.messages.length, 3);
      assert.equal(mta.lines.length, 1);
    });
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('a refused question is answered before the MTA takes leave, and its connection is not used again', async () => {
  const script = ({ verb, line }: Step): Answer => {
    if (verb === 'RCPT' && line.includes('nobody')) return '550 5.1.1 unknown';
    return verb === 'QUIT' ? silence : undefined;
  };
  await withRelay({ mta: { extensions: usual, script } }, async ({ mta, relay }) => {
    assert.equal((await relay.probe('nobody@example.com')).kind, 'refused');
    assert.equal(mta.open, 1);
    assert.equal((await relay.send(request())).kind, 'accepted');
    assert.deepEqual(
      mta.lines.map((lines) => lines.at(lines.includes('QUIT') ? -1 : 0)),
      ['QUIT', 'EHLO postern.example'],
    );
  });
});
