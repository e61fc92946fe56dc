/** Servers that are no directory, or a bad one: every question ends in time, and takes no more than its room. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import net, { type AddressInfo, type Socket } from 'node:net';
import { test } from 'node:test';
import { Directory } from '../../src/directory/directory.js';
import { readDirectory } from '../../src/directory/settings.js';

async function ask(
  serve: (socket: Socket) => void,
  more: { readonly start_tls?: string; readonly timeout?: string } = {},
): Promise<string> {
  const server = net.createServer((socket) => {
    socket.on('error', () => {});
    serve(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const read = readDirectory({
    values: {
      uri: `ldap://127.0.0.1:${(server.address() as AddressInfo).port}`,
      base: 'dc=x',
      filter: '(dc=%d)',
      timeout: '400ms',
      ...more,
    },
    nameOf: (key) => key,
    places: ['d'],
    readFile: () => '',
  });
  assert.ok(read.ok);
  const directory = new Directory(read.value);
  const answer = await directory.has({ d: 'own.test' });
  directory.close();
  server.close();
  return answer.kind === 'failed' ? `failed: ${answer.problem}` : answer.kind;
}

/** A search result entry for message 2, which is ldapts’s first. */
const entry = Buffer.from('300c02010264070403633d783000', 'hex');
const done = Buffer.from('300c02010265070a010004000400', 'hex');

const servers: readonly [what: string, serve: (socket: Socket) => void, expected: RegExp][] = [
  ['silence', (socket) => void socket.resume(), /^failed: .*no answer in time/],
  ['garbage', (socket) => void socket.on('data', () => socket.write(Buffer.alloc(4096, 0xff))), /^failed: /],
  [
    'a huge length',
    (socket) => void socket.on('data', () => socket.write(Buffer.from('3084ffffffff', 'hex'))),
    /^failed: /,
  ],
  ['a close', (socket) => socket.once('data', () => socket.destroy()), /^failed: /],
  ['an end', (socket) => socket.end(), /^failed: /],
  [
    'an answer to another question',
    (socket) => socket.once('data', () => socket.write(Buffer.from('300c02010965070a010004000400', 'hex'))),
    /^failed: /,
  ],
  [
    'an honest answer: an entry',
    (socket) => socket.once('data', () => socket.write(Buffer.concat([entry, done]))),
    /^found$/,
  ],
  ['an honest answer: none', (socket) => socket.once('data', () => socket.write(done)), /^absent$/],
  ['an entry without an end', (socket) => socket.once('data', () => socket.write(entry)), /^failed: /],
];
for (const [what, serve, expected] of servers)
  test(what, async () => {
    assert.match(await ask(serve), expected);
  });

test('entries without end are cut off by their octets, long before the time is over', { timeout: 45_000 }, async () => {
  assert.match(await ask((socket) => socket.once('data', () => flood(socket)), { timeout: '60s' }), /^failed: /);
});

function flood(socket: Socket): void {
  const many = Buffer.concat(Array.from({ length: 4000 }, () => entry));
  const more = (): void => {
    while (!socket.destroyed && socket.write(many));
    if (!socket.destroyed) socket.once('drain', more);
  };
  more();
}

test('what is said in the clear behind the answer to StartTLS is not heard later', async () => {
  // An extended response for message 2, and behind it an entry and an end, in one read.
  const yes = Buffer.from('300c02010278070a010004000400', 'hex');
  const answer = await ask((socket) => socket.once('data', () => socket.write(Buffer.concat([yes, entry, done]))), {
    start_tls: 'yes',
  });
  assert.match(answer, /^failed: /);
});

test('a server that says no to StartTLS is not asked in the clear', async () => {
  const no = Buffer.from('300c02010278070a013404000400', 'hex');
  let heard = 0;
  const answer = await ask((socket) => void socket.on('data', () => (heard++, socket.write(no))), { start_tls: 'yes' });
  assert.match(answer, /^failed: /);
  assert.equal(heard, 1);
});
