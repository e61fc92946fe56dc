import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { IncomingMessage } from '../../src/smtp/message/incoming.js';
import { MemoryPool } from '../../src/smtp/message/memory-pool.js';

function incoming(limits: {
  maxSize?: number;
  maxHeaderSize?: number;
  memory?: number;
  pool?: MemoryPool;
  spoolDir?: string;
}): IncomingMessage {
  const usual = { maxSize: 1000, maxHeaderSize: 100, memory: 1000, pool: new MemoryPool(0), spoolDir: '/nonexistent' };
  return new IncomingMessage('ID', { ...usual, ...limits });
}

async function write(message: IncomingMessage, chunks: readonly string[]): Promise<void> {
  for (const chunk of chunks) await message.write(Buffer.from(chunk, 'latin1'));
}

async function read(message: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of message.parts()) parts.push(part);
  return Buffer.concat(parts).toString('latin1');
}

const headers: readonly (readonly [what: string, text: string, header: string])[] = [
  ['a header section ends with its empty line', 'A: b\r\nC: d\r\n\r\nbody\r\n\r\n', 'A: b\r\nC: d\r\n\r\n'],
  ['a message may begin with the empty line', '\r\nbody\r\n\r\n', '\r\n'],
  ['without an empty line all of it is header', 'A: b\r\n', 'A: b\r\n'],
  ['an empty message has none', '', ''],
];

for (const [what, text, header] of headers) {
  test(`${what}, wherever the stream is cut`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(text.length), { maxLength: 6 }), async (cuts) => {
        const at = [0, ...cuts.toSorted((a, b) => a - b), text.length];
        const message = incoming({});
        await write(
          message,
          at.slice(1).map((end, i) => text.slice(at[i], end)),
        );
        message.end();
        assert.equal(message.header.toString('latin1'), header);
        assert.equal(await read(message), text);
        assert.equal(message.size, text.length);
      }),
    );
  });
}

/** [what, the message, what is kept of it] */
const separators: readonly (readonly [what: string, text: string, kept: string])[] = [
  ['From_ in front', 'From x@y Sat Nov 28\r\nA: b\r\n\r\nc', 'X-Mailbox-Line: From x@y Sat Nov 28\r\nA: b\r\n\r\nc'],
  ['>From_ in front', '>From x\r\nA: b\r\n\r\nc', 'X-Mailbox-Line: >From x\r\nA: b\r\n\r\nc'],
  ['>>From_ and no empty line', '>>From x\r\nA: b\r\n', 'X-Mailbox-Line: >>From x\r\nA: b\r\n'],
  ['From_ alone, without a line end', 'From x', 'X-Mailbox-Line: From x'],
  ['From_ on the second line', 'A: b\r\nFrom x\r\n\r\n', 'A: b\r\nFrom x\r\n\r\n'],
  ['From_ in the text', '\r\nFrom x\r\n', '\r\nFrom x\r\n'],
  ['a From: field', 'From: x\r\n\r\n', 'From: x\r\n\r\n'],
  ['a word that begins like it', 'Fromage x\r\n\r\n', 'Fromage x\r\n\r\n'],
];

for (const [what, text, kept] of separators) {
  test(`a message with ${what}, wherever it is cut`, async () => {
    for (let cut = 0; cut <= text.length; cut++) {
      const message = incoming({});
      await write(message, [text.slice(0, cut), text.slice(cut)]);
      message.end();
      assert.equal(await read(message), kept);
      assert.equal(message.size, kept.length);
      assert.ok(kept.startsWith(message.header.toString('latin1')));
    }
  });
}

test('above the memory limit a message is on disk, without a name, and reads the same twice', async (t) => {
  const spoolDir = mkdtempSync(join(tmpdir(), 'postern-spool-'));
  t.after(() => rmSync(spoolDir, { recursive: true }));
  const message = incoming({ memory: 50, maxSize: 100_000, spoolDir });
  const text = `A: b\r\n\r\n${'0123456789\r\n'.repeat(3000)}`;
  await write(message, text.match(/[\s\S]{1,997}/g) ?? []);
  assert.deepEqual(readdirSync(spoolDir), []);
  assert.ok(!Array.isArray(message.parts()));
  assert.equal(await read(message), text);
  assert.equal(await read(message), text);
  await message.discard();
});

test('while the pool has room a larger message stays in memory; the one that finds it empty goes to disk; all is given back', async (t) => {
  const spoolDir = mkdtempSync(join(tmpdir(), 'postern-spool-'));
  t.after(() => rmSync(spoolDir, { recursive: true }));
  const pool = new MemoryPool(1500);
  const limits = { memory: 500, pool, maxSize: 100_000, spoolDir };
  const text = `A: b\r\n\r\n${'x'.repeat(1492)}`; // 1500 octets: 1000 of them from the pool
  const messages = [incoming(limits), incoming(limits), incoming(limits)] as const;
  for (const message of messages.slice(0, 2)) await write(message, text.match(/[\s\S]{1,99}/g) ?? []);
  assert.deepEqual(
    messages.map((message) => Array.isArray(message.parts())),
    [true, false, true],
  );
  for (const message of messages.slice(0, 2)) assert.equal(await read(message), text);
  await messages[0].discard();
  await messages[0].discard();
  await write(messages[2], [text]);
  assert.ok(Array.isArray(messages[2].parts()));
  for (const message of messages) await message.discard();
  assert.ok(pool.take(1500) && !pool.take(1));
});

test('a message that is given up for its size gives its part of the pool back', async () => {
  const pool = new MemoryPool(1500);
  const message = incoming({ memory: 100, pool, maxSize: 1000 });
  await write(message, ['A: b\r\n\r\n', 'x'.repeat(800), 'x'.repeat(800)]);
  assert.deepEqual(message.problem, { kind: 'too large' });
  assert.ok(pool.take(1500));
});

test('a message over the size limit is counted to its end and kept no longer', async () => {
  const message = incoming({ maxSize: 10 });
  await write(message, ['0123456789', 'x', 'y'.repeat(100)]);
  assert.deepEqual(message.problem, { kind: 'too large' });
  assert.equal(message.size, 111);
  assert.equal(await read(message), '');
});

test('a header section over its limit is a problem', async () => {
  const message = incoming({ maxHeaderSize: 10 });
  await write(message, ['A: 0123456789\r\n']);
  assert.deepEqual(message.problem, { kind: 'header too large' });
});

test('a spool folder that cannot be written is a problem that names the path', async (t) => {
  const file = join(mkdtempSync(join(tmpdir(), 'postern-spool-')), 'file');
  writeFileSync(file, '');
  t.after(() => rmSync(file));
  const message = incoming({ memory: 5, spoolDir: file });
  await write(message, ['A: b\r\n\r\n', 'body']);
  assert.equal(message.problem?.kind, 'spool');
  assert.match(message.problem.log, /spool.*file/);
});

test('a message that is given up while its spool file is being opened leaves no open file', async (t) => {
  const spoolDir = mkdtempSync(join(tmpdir(), 'postern-spool-'));
  t.after(() => rmSync(spoolDir, { recursive: true }));
  const message = incoming({ memory: 5, spoolDir });
  const written = message.write(Buffer.from('A: b\r\n\r\nbody'));
  await message.discard();
  await written;
  const open = readdirSync('/proc/self/fd').map((fd) => linkOf(`/proc/self/fd/${fd}`));
  assert.deepEqual(
    open.filter((path) => path.startsWith(spoolDir)),
    [],
  );
});

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return ''; // the one that was open to read the folder
  }
}

test('octets that trickle in one by one are held together', async () => {
  const message = incoming({ maxSize: 1e6, maxHeaderSize: 1e6, memory: 1e6 });
  const text = `A: ${'x'.repeat(20_000)}\r\n\r\nbody\r\n`;
  await write(message, Array.from(text));
  const parts = message.parts();
  assert.ok(Array.isArray(parts) && parts.length < 100);
  assert.equal(await read(message), text);
});
