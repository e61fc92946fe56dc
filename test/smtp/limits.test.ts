/** What one client, and all clients together, may take of us: octets, recipients, errors, connections, time. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Mx, message } from '../support/mx.js';
import { RawClient } from '../support/raw-client.js';

const mail = 'MAIL FROM:<sender@sender.example>';
const rcpt = 'RCPT TO:<alice@example.com>';
const ehlo = 'EHLO client.example';
const markers = ['example.com/users/valid/alice', 'wild.example/users/valid/*'];

async function withMx(settings: readonly string[], run: (mx: Mx) => Promise<void>, options = {}): Promise<void> {
  const mx = await Mx.start({ markers, settings, ...options });
  try {
    await run(mx);
  } finally {
    await mx.close();
  }
}

const inData = async (mx: Mx): Promise<RawClient> => {
  const client = await RawClient.open({ port: mx.port });
  assert.match(await client.sayAll(ehlo, mail, rcpt, 'DATA'), /^354 /);
  return client;
};

describe('sizes', () => {
  test('a command line of 4096 octets is read, one that never ends is answered 421', async () => {
    await withMx([], async (mx) => {
      const client = await RawClient.open({ port: mx.port });
      assert.match(await client.say(`NOOP ${'x'.repeat(4091)}`), /^250 /);
      assert.match(await client.say(`NOOP ${'x'.repeat(4092)}`), /^421 5\.5\.2 Line too long$/);
      assert.ok(await client.hungUp());
      const other = await RawClient.open({ port: mx.port });
      other.write('A'.repeat(20_000));
      assert.match(await other.reply(), /^421 5\.5\.2 /);
      assert.ok(await other.hungUp());
      for (const one of [client, other]) one.end();
      assert.match(await mx.send(), /^250 /);
    });
  });

  test('a mail above max_size is read to its end, answered 552 5.3.4, kept nowhere, and the session goes on', async () => {
    await withMx(['max_size=20000', 'memory_limit=1000', 'memory_total=0'], async (mx) => {
      const client = await inData(mx);
      assert.match(await client.say(`${message({ body: 'x'.repeat(20_000) })}\r\n.`), /^552 5\.3\.4 .*20000 octets/);
      assert.match(await client.sayAll(mail, 'RCPT TO:<nobody@example.com>', 'DATA'), /^354 /);
      assert.match(await client.say(`${message({ body: 'x'.repeat(20_000) })}\r\n.`), /^552 5\.3\.4 /);
      assert.deepEqual([mx.delivered().length, mx.archived().length], [0, 0]);
      assert.match(await client.sayAll(mail, rcpt, 'DATA', `${message({ body: 'x'.repeat(10_000) })}\r\n.`), /^250 /);
      client.end();
    });
  });

  test('a SIZE that lies is found out: smaller than the mail, and the mail above the limit', async () => {
    await withMx(['max_size=20000'], async (mx) => {
      const client = await RawClient.open({ port: mx.port });
      assert.match(await client.sayAll(ehlo, `${mail} SIZE=10`, rcpt, 'DATA'), /^354 /);
      assert.match(await client.say(`${message({ body: 'x'.repeat(30_000) })}\r\n.`), /^552 5\.3\.4 /);
      assert.match(await client.sayAll(`${mail} SIZE=10`, rcpt, 'DATA', `${message()}\r\n.`), /^250 /);
      client.end();
    });
  });

  test('a header section above max_header_size is answered 552 5.3.4', async () => {
    await withMx(['max_header_size=2000'], async (mx) => {
      for (const fields of [[`X-Long: ${'x'.repeat(3000)}`], Array.from({ length: 500 }, (_, i) => `X-${i}: y`)]) {
        assert.match(await mx.send({ message: message({ fields }) }), /^552 5\.3\.4 Message header too large$/);
      }
      assert.match(await mx.send({ message: message({ body: 'x'.repeat(5000) }) }), /^250 /);
    });
  });

  test('a mail that has been through 101 servers is in a loop: 554 5.4.6', async () => {
    await withMx([], async (mx) => {
      const hops = (n: number): string =>
        message({ fields: Array.from({ length: n }, () => 'Received: by x.example') });
      assert.match(await mx.send({ message: hops(101) }), /^554 5\.4\.6 Too many hops$/);
      assert.match(await mx.send({ message: hops(100) }), /^250 /);
    });
  });

  test('of 5000 recipients none above max_recipients is taken', async () => {
    await withMx(['max_recipients=100'], async (mx) => {
      const client = await RawClient.open({ port: mx.port });
      await client.sayAll(ehlo, mail);
      client.write(Array.from({ length: 5000 }, (_, i) => `RCPT TO:<u${i}@wild.example>\r\n`).join(''));
      const replies = await client.hear(5000);
      assert.ok(replies.slice(0, 100).every((reply) => reply.startsWith('250 2.1.5 ')));
      assert.ok(replies.slice(100).every((reply) => reply.startsWith('452 4.5.3 ')));
      client.end();
    });
  });
});

describe('errors', () => {
  test('max_errors refusals end the session with 421', async () => {
    await withMx(
      ['max_errors=5'],
      async (mx) => {
        const client = await RawClient.open({ port: mx.port });
        await client.say(ehlo);
        for (let i = 1; i <= 5; i++) assert.match(await client.say(rcpt), /^503 /);
        assert.match(await client.reply(), /^421 4\.7\.0 Too many errors$/);
        assert.ok(await client.hungUp());
        client.end();
      },
      { plugins: ['valid_users'] },
    );
  });

  test('unknown commands end it sooner, by the plugin unrecognized_commands', async () => {
    await withMx(
      [],
      async (mx) => {
        const client = await RawClient.open({ port: mx.port });
        assert.match(await client.say('GET / HTTP/1.1'), /^500 /);
        assert.match(await client.say('Host: x'), /^421 /);
        assert.ok(await client.hungUp());
        client.end();
      },
      { plugins: ['unrecognized_commands 2'] },
    );
  });
});

describe('connections', () => {
  test('one too many from an address, or in all, is told 421; the next one after a farewell is let in', async () => {
    await withMx(['max_connections=4', 'max_connections_per_ip=2'], async (mx) => {
      const open = (from: string): Promise<RawClient> => RawClient.open({ port: mx.port, from });
      const clients = [await open('127.0.0.2'), await open('127.0.0.2'), await open('127.0.0.3')];
      const greetings = (): string[] => clients.map(({ replies }) => replies[0] ?? '');
      assert.ok(greetings().every((greeting) => greeting.startsWith('220 ')));
      const third = await open('127.0.0.2');
      assert.equal(third.replies[0], '421 4.7.0 Too many connections from your address');
      assert.ok(await third.hungUp());
      clients.push(await open('127.0.0.4'));
      const fifth = await open('127.0.0.5');
      assert.equal(fifth.replies[0], '421 4.7.0 Too many connections, try again later');
      await clients[0]?.say('QUIT');
      clients[0]?.end();
      const again = await open('127.0.0.2');
      assert.match(again.replies[0] ?? '', /^220 /);
      for (const client of [...clients, third, fifth, again]) client.end();
    });
  });

  test('whoever is gone, however rudely, is not counted any more', async () => {
    await withMx(['max_connections_per_ip=3'], async (mx) => {
      for (let round = 0; round < 10; round++) {
        const clients = await Promise.all([1, 2, 3].map(() => inData(mx)));
        clients[0]?.reset();
        clients[1]?.end();
        clients[2]?.finish();
        await clients[2]?.hungUp();
        clients[2]?.end();
      }
      assert.match(await mx.send(), /^250 /);
    });
  });

  test('a client that XCLIENT names counts as itself', async () => {
    await withMx(['max_connections_per_ip=2', 'xclient_networks=127.0.0.9'], async (mx) => {
      const proxied = async (address: string): Promise<[RawClient, string]> => {
        const client = await RawClient.open({ port: mx.port, from: '127.0.0.9' });
        return [client, await client.sayAll('EHLO proxy.example', `XCLIENT ADDR=${address}`)];
      };
      const both = [await proxied('192.0.2.1'), await proxied('192.0.2.1'), await proxied('192.0.2.2')];
      assert.ok(both.every(([, reply]) => reply.startsWith('220 ')));
      const [third, reply] = await proxied('192.0.2.1');
      assert.equal(reply, '421 4.7.0 Too many connections from your address');
      for (const client of [...both.map(([one]) => one), third]) client.end();
    });
  });
});

// What that costs in memory is measured in memory.test.ts, on a process of its own: here the client's would be counted,
// too.
test('a client that does not read its replies is not read any more, and sent away in time', async () => {
  await withMx(['command_timeout=2s'], async (mx) => {
    const client = await RawClient.open({ port: mx.port });
    client.pause();
    let stuck = false;
    const line = `HELP ${'x'.repeat(40)}\r\n`.repeat(2000);
    for (let i = 0; i < 500 && !client.closed && !stuck; i++) {
      client.write(line);
      stuck = !(await client.drained(300));
    }
    assert.ok(stuck || client.closed, '50 MB were read');
    const end = Date.now() + 8000;
    while (mx.listener.connections.size > 0 && Date.now() < end)
      await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(mx.listener.connections.size, 0);
    client.end();
  });
});

test('a clock that is set does not end a session, nor keep one alive', async (t) => {
  await withMx(['command_timeout=3s'], async (mx) => {
    const client = await RawClient.open({ port: mx.port });
    const now = Date.now;
    for (const hours of [25, -25]) {
      t.mock.method(Date, 'now', () => now() + hours * 3_600_000);
      await new Promise((resolve) => setTimeout(resolve, 1500));
      assert.match(await client.say('NOOP'), /^250 /);
    }
    assert.equal(await client.reply(), '421 4.4.2 Timeout, closing connection');
    t.mock.restoreAll();
    client.end();
  });
});

describe('time', { concurrency: true }, () => {
  const timeout = '421 4.4.2 Timeout, closing connection';

  test('a client that says nothing is sent away after command_timeout', async () => {
    await withMx(['command_timeout=1s'], async (mx) => {
      const client = await RawClient.open({ port: mx.port });
      assert.equal(await client.reply(), timeout);
      assert.ok(await client.hungUp());
      client.end();
    });
  });

  test('a command that drips is no excuse: the limit is absolute', async () => {
    await withMx(['command_timeout=1s'], async (mx) => {
      const client = await RawClient.open({ port: mx.port });
      await client.say(ehlo);
      await client.drip(`MAIL FROM:<${'a'.repeat(100)}`, 100);
      assert.equal(client.replies.at(-1), timeout);
      client.end();
    });
  });

  test('data that drip end with data_timeout', async () => {
    await withMx(['data_timeout=4s', 'command_timeout=3s'], async (mx) => {
      const client = await inData(mx);
      const started = Date.now();
      await client.drip('x'.repeat(150), 100);
      assert.equal(client.replies.at(-1), timeout);
      const took = Date.now() - started;
      assert.ok(took >= 3900, `${took} ms`);
      client.end();
      assert.equal(mx.delivered().length, 0);
    });
  });

  test('a session that is busy without end ends with session_timeout', async () => {
    await withMx(['session_timeout=2s', 'command_timeout=10s'], async (mx) => {
      const client = await RawClient.open({ port: mx.port });
      while (!client.ended) {
        client.write('NOOP\r\n');
        await client.reply(200);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      assert.equal(client.replies.at(-1), timeout);
      client.end();
    });
  });

  test('the time that postern itself needs is not the client’s', async () => {
    const slow =
      "export default { name: 'slow', mail: () => new Promise((r) => setTimeout(() => r({ kind: 'pass' }), 5000)) };";
    const folder = mkdtempSync(join(tmpdir(), 'postern-plugins-'));
    writeFileSync(`${folder}/slow.mjs`, slow);
    await withMx(
      ['command_timeout=3s', `plugin_dirs=${folder}`],
      async (mx) => {
        const client = await RawClient.open({ port: mx.port });
        assert.match(await client.sayAll(ehlo, mail), /^250 2\.1\.0 /);
        client.end();
      },
      { plugins: ['slow', 'valid_users'] },
    );
    rmSync(folder, { recursive: true });
  });
});
