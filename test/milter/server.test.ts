import assert from 'node:assert/strict';
import net from 'node:net';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Endpoint } from '../../src/milter/endpoint.js';
import { type MilterPolicy, insertHeader, proceed, reject } from '../../src/milter/policy.js';
import { type MilterProblem, MilterServer, type MilterServerOptions } from '../../src/milter/server.js';
import { Mta, body, data, eom, helo, mail, negotiate, opening, packet, quit, rcpt } from '../support/milter-mta.js';
import { inTime, until } from '../support/until.js';

const editing: MilterPolicy = {
  edits: ['insert-header'],
  mail: () => proceed,
  eom: ({ sender }) => ({ kind: 'continue', edits: [insertHeader('X-Sender', sender.address)] }),
};

interface Running {
  readonly server: MilterServer;
  readonly problems: MilterProblem[];
  readonly where: { path: string } | { host: string; port: number };
  mta(): Mta;
}

async function serve(
  t: TestContext,
  policy: MilterPolicy = editing,
  options: MilterServerOptions & { unix?: boolean } = {},
): Promise<Running> {
  const problems: MilterProblem[] = [];
  const server = new MilterServer(policy, { onProblem: (problem) => problems.push(problem), ...options });
  const folder = mkdtempSync(join(tmpdir(), 'milter-'));
  const endpoint: Endpoint = options.unix
    ? { kind: 'unix', path: join(folder, 'milter.sock') }
    : { kind: 'tcp', host: '127.0.0.1', port: 0 };
  const bound = await server.listen(endpoint);
  const where = bound.kind === 'tcp' ? { host: bound.host, port: bound.port } : { path: join(folder, 'milter.sock') };
  const mtas: Mta[] = [];
  t.after(async () => {
    for (const { socket } of mtas) socket.destroy();
    await server.stop(1000);
    rmSync(folder, { recursive: true });
  });
  const mta = (): Mta => {
    const one = new Mta(where);
    mtas.push(one);
    return one;
  };
  return { server, problems, where, mta };
}

/** What a message gets: MAIL, RCPT, DATA (recipients and what is in the message were not asked for). */
const shortMessage = Buffer.concat([mail('<a@b>'), data, eom()]);

for (const unix of [false, true]) {
  test(`two messages over ${unix ? 'a UNIX socket' : 'TCP'}, edits and verdict in one read`, async (t) => {
    const { mta, server } = await serve(t, editing, { unix });
    const one = mta();
    one.send(opening);
    // On a UNIX socket CONNECT and HELO go unanswered, and DATA is not sent, where nobody has asked for them.
    const greeted = unix ? ['O 0x6 0x1 0x3378'] : ['O 0x6 0x1 0x178', 'c', 'c'];
    const begun = unix ? [mail('<a@b>')] : [mail('<a@b>'), data];
    assert.deepEqual(await one.answers(greeted.length), greeted);
    one.send(...begun);
    const asked = greeted.length + begun.length;
    await one.answers(asked);
    const before = one.reads.length;
    one.send(eom());
    assert.deepEqual((await one.answers(asked + 2)).slice(asked), ['i[0]X-Sender|a@b|', 'c']);
    assert.equal(one.reads.length, before + 1);
    one.send(...begun, eom());
    const all = asked + 2 + begun.length + 2;
    assert.equal((await one.answers(all)).length, all);
    assert.equal(server.connections, 1);
    one.send(quit);
    await one.ended();
    assert.equal((await one.answers(all + 1)).length, all);
  });
}

test('no answer waits for an acknowledgement, which comes 40 ms late: sockets are told so (TCP_NODELAY)', async (t) => {
  const created = t.mock.method(net, 'createServer');
  await serve(t);
  const [options] = created.mock.calls[0]?.arguments ?? [];
  assert.ok(typeof options === 'object' && options.noDelay === true);
});

test('a broken frame closes its own connection, and no other', async (t) => {
  const { mta, problems } = await serve(t);
  const [good, bad] = [mta(), mta()];
  good.send(opening, mail());
  bad.send(opening, mail());
  await Promise.all([good.answers(4), bad.answers(4)]);
  bad.send(packet('Z'));
  await bad.ended();
  assert.equal((await bad.answers(9)).length, 4);
  good.send(data, eom());
  assert.equal((await good.answers(7)).length, 7);
  assert.deepEqual(problems, [{ kind: 'protocol', text: 'unknown command 0x5a' }]);
});

test('4 GB announced: closed at once', async (t) => {
  const { mta, problems } = await serve(t);
  const one = mta();
  one.send(Buffer.from('ffffffff4f', 'hex'));
  await one.ended();
  assert.deepEqual(problems, [{ kind: 'protocol', text: 'a frame of 4294967295 octets, over 65536' }]);
});

test('a silent connection is closed after its time', async (t) => {
  const { mta } = await serve(t, editing, { idleMs: 100 });
  const one = mta();
  one.send(opening);
  await one.ended();
  assert.equal((await one.answers(4)).length, 3);
});

test('a connection beyond the limit waits until another ends; one beyond those that may wait is closed', async (t) => {
  const { mta, problems, server } = await serve(t, editing, { maxConnections: 2, maxWaiting: 2 });
  const [first, second] = [mta(), mta()];
  for (const one of [first, second]) {
    one.send(negotiate());
    await one.answers(1);
  }
  const third = mta();
  third.send(opening);
  await until(() => problems.length === 1, 'the third waits');
  const gone = mta();
  gone.send(negotiate());
  await until(() => server.waiting === 2, 'the fourth waits');
  const fifth = mta();
  await fifth.ended();
  assert.deepEqual(problems, [
    { kind: 'waiting', connections: 2 },
    { kind: 'full', connections: 4 },
  ]);
  assert.equal((await gone.answers(0)).length + (await third.answers(0)).length, 0);
  gone.socket.destroy();
  await until(() => server.waiting === 1, 'who has gone waits no more');
  first.send(quit);
  assert.equal((await third.answers(3)).length, 3);
  second.send(quit);
  await second.ended();
  await until(() => server.waiting === 0 && server.connections === 1, 'one is left');
  third.send(shortMessage);
  assert.equal((await third.answers(7)).length, 7);
});

test('who waits is let go at the stop', async (t) => {
  const { mta, server } = await serve(t, editing, { maxConnections: 1 });
  const first = mta();
  first.send(negotiate());
  await first.answers(1);
  const second = mta();
  await until(() => server.waiting === 1, 'the second waits');
  await server.stop(1000);
  await second.ended();
});

test('when the MTA goes away, the filter’s signal is aborted', async (t) => {
  const gone = new Promise<void>((tell) => {
    const policy: MilterPolicy = {
      mail: ({ signal }) =>
        new Promise((_, fail) => {
          signal.addEventListener('abort', () => {
            tell();
            fail(new Error('aborted'));
          });
        }),
    };
    void serve(t, policy).then(async ({ mta, problems }) => {
      const one = mta();
      one.send(opening, mail());
      await one.answers(3);
      one.socket.destroy();
      t.after(() => assert.deepEqual(problems, []));
    });
  });
  await inTime(gone, 'the signal is aborted');
});

/** A connection whose end at the filter can be looked at. A UNIX socket's, in which the kernel keeps little. */
async function watched(t: TestContext, policy: MilterPolicy): Promise<{ mta: Mta; inner: net.Socket }> {
  const server = new MilterServer(policy);
  const sockets: net.Socket[] = [];
  const listener = net.createServer((socket) => {
    sockets.push(socket);
    server.accept(socket);
  });
  const folder = mkdtempSync(join(tmpdir(), 'milter-'));
  const path = join(folder, 'socket');
  await new Promise<void>((done) => listener.listen(path, done));
  const mta = new Mta({ path });
  t.after(() => {
    mta.socket.destroy();
    listener.close();
    rmSync(folder, { recursive: true });
  });
  mta.send(negotiate());
  await mta.answers(1);
  return { mta, inner: sockets[0] as net.Socket };
}

test('an MTA that does not read its answers is not read from', async (t) => {
  const { mta, inner } = await watched(t, { helo: () => proceed });
  mta.socket.pause();
  const many = 2_000_000;
  const commands = Buffer.concat(Array.from({ length: 1000 }, () => helo('x')));
  for (let i = 0; i < many / 1000; i++) mta.send(commands);
  await until(() => inner.isPaused(), 'reading pauses');
  await sleep(100);
  assert.ok(inner.writableLength < 500_000, `${inner.writableLength} octets wait to be written`);
  assert.ok(inner.bytesRead < (many * commands.length) / 1000, 'not all is read');
  let octets = 0;
  mta.socket.removeAllListeners('data');
  mta.socket.on('data', (piece) => (octets += piece.length));
  mta.socket.resume();
  await until(() => octets === many * 5, 'every command is answered in the end');
});

test('what comes while an answer is pending is kept within bounds, and answered in the end', async (t) => {
  let answer!: () => void;
  const later = new Promise<void>((keep) => (answer = keep));
  const { mta, inner } = await watched(t, { mail: () => later, rcpt: () => reject });
  mta.send(mail());
  const commands = Buffer.concat(Array.from({ length: 1000 }, () => rcpt('<somebody@example.com>')));
  for (let i = 0; i < 20; i++) mta.send(commands);
  await until(() => inner.isPaused(), 'reading pauses');
  await sleep(50);
  assert.ok(inner.bytesRead < 400_000, `${inner.bytesRead} octets were read`);
  answer();
  assert.equal((await mta.answers(20_002)).length, 20_002);
});

test('a new policy is for new connections', async (t) => {
  const { mta, server } = await serve(t);
  const [old, young] = [mta(), mta()];
  old.send(opening);
  await old.answers(3);
  server.setPolicy({ mail: () => reject });
  young.send(negotiate()); // connected before, perhaps; what counts is when the connection was taken
  const third = mta();
  third.send(opening, mail());
  assert.deepEqual((await third.answers(4)).slice(3), ['r']);
  old.send(mail(), data, eom());
  assert.deepEqual((await old.answers(7)).slice(3), ['c', 'c', 'i[0]X-Sender|a@example.net|', 'c']);
});

test('stopping: nobody new, and the running sessions are let finish', async (t) => {
  const { mta, server, where } = await serve(t, editing, { unix: true });
  const one = mta();
  one.send(opening, mail());
  await one.answers(2);
  const stopped = server.stop(10_000);
  const late = new Mta(where);
  await late.ended();
  assert.equal((await late.answers(1)).length, 0);
  one.send(eom(), quit);
  assert.equal((await one.answers(4)).length, 4);
  await stopped;
});

test('stopping: who does not finish in time is closed', async (t) => {
  const { mta, server } = await serve(t);
  const one = mta();
  one.send(opening, mail());
  await one.answers(4);
  await server.stop(50);
  await one.ended();
  assert.equal(server.connections, 0);
});

const inserted = 'i[0]X-Sender|a@example.net|';

test('a hundred sessions at a time', async (t) => {
  const { mta, problems } = await serve(t, { ...editing, rcpt: async () => {}, body: () => proceed }, { unix: true });
  await Promise.all(
    Array.from({ length: 100 }, async () => {
      const one = mta();
      one.send(opening);
      for (let count = 1; count < 16; count += 5) {
        one.send(mail(), rcpt(), body(), eom());
        await one.answers(count + 5);
      }
      one.send(quit);
      await one.ended();
      assert.deepEqual((await one.answers(17)).slice(11), ['c', 'c', 'c', inserted, 'c']);
    }),
  );
  assert.deepEqual(problems, []);
});
