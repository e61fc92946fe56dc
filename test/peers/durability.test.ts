/**
 * Is a refused mail on disk before its 550? No crash of a process shows a missing fsync, and pulling the plug is no
 * test: strace shows the order of the system calls.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PosternProcess } from '../support/child.js';
import { message } from '../support/mx.js';
import { needPeer } from '../support/peers.js';
import { RawClient } from '../support/raw-client.js';
import { traced } from '../support/strace.js';

const calls = 'fsync,fdatasync,rename,renameat,renameat2,link,linkat,write,pwrite64,writev,sendto,sendmsg,mkdir';

/** The calls by what they do, each for the first time. */
const steps = {
  'the mail is synced': /^f(?:data)?sync\(\d+<[^>]*\/tmp\/[^>/]+>\) += 0/,
  'it gets its name': /^rename[a-z0-9]*\(.*\/tmp\/[^"]+".*\/new\/[^"]+".*\) += 0/,
  'new/ is synced': /^fsync\(\d+<[^>]*\/new>\) += 0/,
  'the index line is written': /^p?write(?:v|64)?\(\d+<[^>]*\/index>/,
  'the index is synced': /^f(?:data)?sync\(\d+<[^>]*\/index>\) += 0/,
  'the 550 is said': /^(?:write|writev|sendto|sendmsg)\(\d+<[^>]*>, .*550 5\.1\.1 /,
} as const;

type Step = keyof typeof steps;

/**
 * What must have succeeded before what. The two syncs at the end run beside each other, with nothing left to write:
 * check mends what a crash leaves.
 */
const order: readonly (readonly [first: Step, then: Step])[] = [
  ['the mail is synced', 'it gets its name'],
  ['it gets its name', 'new/ is synced'],
  ['it gets its name', 'the index line is written'],
  ['the index line is written', 'new/ is synced'],
  ['the index line is written', 'the index is synced'],
  ['new/ is synced', 'the 550 is said'],
  ['the index is synced', 'the 550 is said'],
];

for (const day of ['the first mail of a folder', 'a later one'] as const) {
  test(`mail, name and index line are on disk before the 550 is said: ${day}`, async (t) => {
    if (!needPeer(t, 'strace')) return;
    const postern = await PosternProcess.start({ markers: ['example.com/users/valid/alice'], relayPort: 9 });
    const refused = async (): Promise<void> => {
      const client = await RawClient.open(postern);
      await client.sayAll(
        'EHLO client.example',
        'MAIL FROM:<a@sender.example>',
        'RCPT TO:<nobody@example.com>',
        'DATA',
      );
      assert.match(await client.say(`${message()}\r\n.`), /^550 5\.1\.1 /);
      client.end();
    };
    try {
      if (day === 'a later one') await refused();
      const trace = await traced(postern.worker, calls, refused);
      const at = (step: Step): number => {
        const found = trace.findIndex((line) => steps[step].test(line));
        assert.notEqual(found, -1, `${step}: never\n${trace.join('\n')}`);
        return found;
      };
      for (const [first, then] of order)
        assert.ok(at(first) < at(then), `${then} before ${first}\n${trace.join('\n')}`);
      if (day === 'a later one') return;
      for (const folder of ['/spam', '/spam/\\d+', '/spam/\\d+/example\\.com']) {
        const synced = trace.findIndex((line) => new RegExp(`^fsync\\(\\d+<[^>]*${folder}>\\) += 0`).test(line));
        assert.ok(
          synced >= 0 && synced < at('the 550 is said'),
          `${folder} is not synced before the 550\n${trace.join('\n')}`,
        );
      }
    } finally {
      await postern.close();
    }
  });
}
