/** What an MTA is told next does not wait for the event loop where nothing else happens in its turns. */
import assert from 'node:assert/strict';
import net from 'node:net';
import { test } from 'node:test';
import { quietTurns } from '../support/quiet-turns.js';
import { request } from './support/requests.js';
import { usual, withRelay } from './support/with-relay.js';

test('the message goes out where the 354 is read', async (t) => {
  const { write } = net.Socket.prototype;
  const places: string[] = [];
  t.mock.method(net.Socket.prototype, 'write', function (this: net.Socket, ...args: Parameters<typeof write>) {
    if (String(args[0]).includes('Subject:')) places.push(new Error('here').stack ?? '');
    return write.apply(this, args);
  });
  await withRelay({ mta: { extensions: usual } }, async ({ relay }) => {
    await relay.send(request());
    await quietTurns();
    places.length = 0;
    assert.equal((await relay.send(request())).kind, 'accepted');
  });
  assert.equal(places.length, 1);
  assert.doesNotMatch(places[0] ?? '', /processImmediate/);
});
