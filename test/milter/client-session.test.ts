/** The client's side of one session: what becomes of the connection when filter or mail take too long. */
import assert from 'node:assert/strict';
import net from 'node:net';
import { test } from 'node:test';
import { parseIp } from '../../src/mail/ip.js';
import { Availability } from '../../src/milter/client/availability.js';
import { FilterSession } from '../../src/milter/client/filter-session.js';
import { frame, u32 } from '../../src/milter/codec.js';
import { parseEndpoint } from '../../src/milter/endpoint.js';
import { SocketWire } from '../../src/milter/client/socket-wire.js';
import { say, ScriptedFilter } from '../support/scripted-filter.js';
import { inTime, until } from '../support/until.js';

function sessionAt(place: string, times = { timeoutMs: 60_000, contentMs: 60_000 }): FilterSession {
  const endpoint = parseEndpoint(place);
  const ip = parseIp('192.0.2.1');
  assert.ok(endpoint.ok && ip);
  const limits = { ...times, maxBody: 10_000 };
  const filter = {
    name: 'test',
    endpoint: endpoint.value,
    limits,
    availability: new Availability(),
    changed: () => {},
  };
  return new FilterSession(filter, { host: '[192.0.2.1]', ip, macros: {} });
}

const path = (address: string) => ({ address, parameters: [], macros: {} });
const helo = { name: 'client.example', macros: {} };
const empty = { fields: () => [], body: () => ({ size: 0, parts: async function* () {} }) };

test('a mail that a filter has had its time with is not said again, and the filter is left alone', async (t) => {
  const filter = await ScriptedFilter.start({ answers: { T: 'hang' } });
  t.after(() => filter.close());
  const session = sessionAt(filter.place);
  await session.mail(path('a@x.example'), helo);
  await session.rcpt(path('b@y.example'));
  const asked = Promise.resolve(session.message(empty));
  await until(() => filter.commands.endsWith('T'));
  session.abort();
  assert.deepEqual(await inTime(asked, 'it is given up'), { kind: 'down', problem: 'it has had its time' });
  assert.deepEqual(await session.mail(path('c@x.example'), helo), { kind: 'down', problem: 'it has had its time' });
  assert.deepEqual([filter.connections, filter.commands], [1, 'OCHMRT']);
  session.quit();
});

test('a message has its time, however long the filter may take for an answer', async (t) => {
  const filter = await ScriptedFilter.start({ answers: { E: 'hang' } });
  t.after(() => filter.close());
  const session = sessionAt(filter.place);
  await session.mail(path('a@x.example'), helo);
  await session.rcpt(path('b@y.example'));
  const asked = Promise.resolve(session.message(empty, performance.now() + 1_000));
  assert.equal((await inTime(asked, 'it is given up')).kind, 'down');
  session.quit();
});

test('behind an answer that may take long, one that may not is waited for no longer than it may', async (t) => {
  const filter = await ScriptedFilter.start({ answers: { M: (nth) => (nth === 0 ? say.continue : 'hang') } });
  t.after(() => filter.close());
  const session = sessionAt(filter.place, { timeoutMs: 4_000, contentMs: 600_000 });
  await session.mail(path('a@x.example'), helo);
  await session.rcpt(path('b@y.example'));
  assert.equal((await session.message(empty)).kind, 'go on');
  session.abort();
  const asked = Promise.resolve(session.mail(path('c@x.example'), helo));
  assert.deepEqual(await inTime(asked, 'it is given up'), { kind: 'down', problem: 'no answer within 4000 ms' });
  session.quit();
});

test('what waits for no answer is answered at once, and said with what does', async (t) => {
  const filter = await ScriptedFilter.start({ protocol: 0xdf080 });
  t.after(() => filter.close());
  const session = sessionAt(filter.place);
  for (const sender of ['a@x.example', 'b@x.example']) {
    const verdict = session.mail(path(sender), helo);
    if (sender === 'b@x.example') assert.ok(!(verdict instanceof Promise));
    await verdict;
    assert.ok(!(session.rcpt(path('c@y.example')) instanceof Promise));
    assert.equal((await session.message(empty)).kind, 'go on');
    session.abort();
  }
  assert.equal(filter.commands, 'OCHMRTNEAMRTNE');
  session.quit();
  await until(() => filter.commands === 'OCHMRTNEAMRTNEAQ');
});

test('a filter that talks on behind its verdict is connected to anew', async (t) => {
  const filter = await ScriptedFilter.start({ answers: { E: Buffer.concat([say.continue, say.continue]) } });
  t.after(() => filter.close());
  const session = sessionAt(filter.place);
  for (const connections of [1, 2]) {
    assert.equal((await session.mail(path('a@x.example'), helo)).kind, 'go on');
    assert.equal((await session.message(empty)).kind, 'go on');
    session.abort();
    assert.equal(filter.connections, connections);
  }
  session.quit();
});

test('a filter that never closes its side keeps no connection of ours', async (t) => {
  const agreement = frame('O', u32(6), u32(0x1ff), u32(0));
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    socket.once('data', () => {
      socket.write(agreement);
      socket.once('data', () => socket.write(say.accept)).resume();
    });
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  t.after(() => server.close());
  const address = server.address();
  assert.ok(typeof address === 'object' && address);
  const connected = new Promise<net.Socket>((connection) => server.once('connection', connection));
  const session = sessionAt(`inet:127.0.0.1:${address.port}`);
  const asked = Promise.resolve(session.mail(path('a@x.example'), helo));
  const socket = await connected;
  t.after(() => socket.destroy());
  assert.equal((await inTime(asked, 'it is answered')).kind, 'go on');
  session.quit();
  const gone = new Promise((resolve) => socket.once('error', resolve).once('close', resolve));
  const talking = setInterval(() => socket.write('x'), 100);
  t.after(() => clearInterval(talking));
  await inTime(gone, 'our side closes');
});

test('what a mail may take is no limit of the next one, whose HELO is another', async (t) => {
  const filter = await ScriptedFilter.start();
  t.after(() => filter.close());
  const session = sessionAt(filter.place);
  await session.mail(path('a@x.example'), helo);
  assert.equal((await session.message(empty, performance.now() + 600_000)).kind, 'go on');
  session.abort();
  const clock = performance.now.bind(performance);
  t.mock.method(performance, 'now', () => clock() + 700_000);
  assert.equal((await session.mail(path('b@x.example'), { ...helo, name: 'other.example' })).kind, 'go on');
  assert.deepEqual([filter.connections, filter.commands], [1, 'OCHMTNEAHM']);
  session.quit();
});

test('a new body may come in pieces as small as its lines', async (t) => {
  const body = Array.from({ length: 3_000 }, () => say.body('x\n'));
  const filter = await ScriptedFilter.start({ answers: { E: Buffer.concat([...body, say.continue]) } });
  t.after(() => filter.close());
  const session = sessionAt(filter.place);
  await session.mail(path('a@x.example'), helo);
  const verdict = await session.message(empty);
  assert.ok(verdict.kind === 'go on', JSON.stringify(verdict));
  assert.equal(verdict.edits.length, body.length);
  session.quit();
});

test('what a filter says unasked is kept up to its limit in octets, too', async (t) => {
  const server = net.createServer((socket) => {
    socket.on('error', () => undefined);
    for (let i = 0; i < 8; i++) socket.write(say.body(Buffer.alloc(1_000_000)));
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  t.after(() => server.close());
  const address = server.address();
  const endpoint = parseEndpoint(`inet:127.0.0.1:${typeof address === 'object' ? address?.port : ''}`);
  assert.ok(endpoint.ok);
  const wire = await SocketWire.open(endpoint.value, 60_000);
  t.after(() => wire.drop());
  await until(() => !wire.alive);
  await assert.rejects(async () => wire.send([], 1_000), /^FilterProblem: it talks without an end$/);
});
