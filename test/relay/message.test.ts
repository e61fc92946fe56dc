/** The octets of the message arrive below our fields as they came, however they are kept and cut. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { inMemory, request, spooled, unstuffed } from './support/requests.js';
import { close, stall, type Answer, type Step } from './support/scripted-mta.js';
import { usual, withRelay } from './support/with-relay.js';

const eightBit = Buffer.from(
  Array.from({ length: 255 }, (_, i) => i + 1).filter((octet) => octet !== 13 && octet !== 10),
);

const messages: readonly (readonly [string, Buffer])[] = [
  ['every octet but NUL, CR and LF', Buffer.concat([Buffer.from('A: b\r\n\r\n'), eightBit, Buffer.from('\r\n')])],
  ['a line of 100,000 octets', Buffer.from(`A: b\r\n\r\n${'x'.repeat(100_000)}\r\n`)],
  ['dots, and what would end the data', Buffer.from('A: b\r\n\r\n.\r\n..\r\n...\r\n.a\r\n.\r\nQUIT\r\n.\r\n')],
  ['a dot that begins the message', Buffer.from('.A: b\r\n')],
  ['invalid UTF-8', Buffer.from([0xc3, 0x28, 0xff, 0xfe, 13, 10])],
  ['5 MB', Buffer.from(`A: b\r\n\r\n${'.0123456789\r\n'.repeat(400_000)}`)],
];

const sources = [inMemory, spooled];

function cut(message: Buffer, size: number): readonly Buffer[] {
  return Array.from({ length: Math.ceil(message.length / size) }, (_, i) => message.subarray(i * size, (i + 1) * size));
}

for (const [what, message] of messages) {
  for (const source of sources) {
    for (const size of [message.length, 65_536, 4_099]) {
      test(`${what}, ${source.name} in parts of ${size}`, async () => {
        await withRelay({ mta: { extensions: usual } }, async ({ mta, relay }) => {
          const mail = request({ message: source(...cut(message, size)) });
          assert.equal((await relay.send(mail)).kind, 'accepted');
          const wire = mta.messages[0]?.wire ?? Buffer.alloc(0);
          assert.ok(unstuffed(wire).equals(Buffer.concat([mail.head, message])));
        });
      });
    }
  }
}

for (const source of sources) {
  test(`an empty message, ${source.name}: our fields alone`, async () => {
    await withRelay({ mta: { extensions: usual } }, async ({ mta, relay }) => {
      await relay.send(request({ message: source() }));
      assert.equal(mta.messages[0]?.wire.toString(), 'X-Postern: yes\r\n');
    });
  });

  test(`no fields and no message, ${source.name}`, async () => {
    await withRelay({ mta: { extensions: usual } }, async ({ mta, relay }) => {
      assert.equal((await relay.send(request({ head: Buffer.alloc(0), message: source() }))).kind, 'accepted');
      assert.equal(mta.messages[0]?.wire.length, 0);
    });
  });

  test(`a message without a final line end is given one, ${source.name}`, async () => {
    await withRelay({ mta: { extensions: usual } }, async ({ mta, relay }) => {
      await relay.send(request({ head: Buffer.alloc(0), message: source(Buffer.from('A: b\r\n\r\nend')) }));
      assert.equal(mta.messages[0]?.wire.toString(), 'A: b\r\n\r\nend\r\n');
    });
  });
}

test('any message in any parts, many on one connection', async () => {
  await withRelay({ mta: { extensions: usual }, relay: { connections: 1 } }, async ({ mta, relay }) => {
    const piece = fc.constantFrom('.', '\r\n', '\r\n.', 'a', '\x80', '\r\n.\r\n', 'DATA');
    const property = fc.asyncProperty(
      fc.array(piece, { maxLength: 30 }),
      fc.integer({ min: 1, max: 9 }),
      fc.boolean(),
      async (pieces, size, memory) => {
        const message = Buffer.from(`${pieces.join('')}\r\n`, 'latin1');
        const result = await relay.send(request({ message: (memory ? inMemory : spooled)(...cut(message, size)) }));
        assert.equal(result.kind, 'accepted');
        assert.equal(
          unstuffed(mta.messages.at(-1)!.wire).toString('latin1'),
          `X-Postern: yes\r\n${message.toString('latin1')}`,
        );
      },
    );
    await fc.assert(property, { numRuns: 100 });
    assert.equal(mta.lines.length, 1);
  });
});

test('a message that cannot be read to its end does not exist for the MTA', async () => {
  await withRelay({ mta: { extensions: usual } }, async ({ mta, relay }) => {
    const message = {
      size: 100,
      async *parts() {
        yield Buffer.from('A: b\r\n\r\nhalf');
        await Promise.reject(new Error('EIO: broken disk'));
      },
    };
    const result = await relay.send(request({ message }));
    const destination = `127.0.0.1:${mta.port}`;
    assert.deepEqual(result, { kind: 'unreachable', problem: 'EIO: broken disk', destination });
    assert.equal((await relay.send(request())).kind, 'accepted');
    assert.equal(mta.messages.length, 1);
  });
});

const big = Array.from({ length: 640 }, () => Buffer.from('x'.repeat(65_534) + '\r\n'));

const interruptions: readonly (readonly [string, Answer, string])[] = [
  ['refuses', '552 5.3.4 too big', 'message refused'],
  ['says 421', '421 4.3.2 closing', 'refused'],
  ['says 250', '250 2.0.0 thanks, enough', 'unreachable'],
  ['closes', close, 'unreachable'],
];

for (const [what, answer, kind] of interruptions) {
  test(`an MTA that ${what} in the middle of a message: ${kind}, and the rest is not sent`, async () => {
    let once = true;
    const script = ({ verb }: Step): Answer => {
      if (verb !== 'PART' || !once) return undefined;
      once = false;
      return answer;
    };
    await withRelay({ mta: { extensions: ['PIPELINING'], script } }, async ({ mta, relay }) => {
      assert.equal((await relay.send(request({ message: spooled(...big) }))).kind, kind);
      assert.equal(mta.messages.length, 0);
      assert.equal((await relay.send(request())).kind, 'accepted');
    });
  });
}

test('a message is read no faster than the MTA takes it', async () => {
  let taken = 0;
  const message = {
    size: 1024 * 65_536,
    async *parts() {
      for (; taken < 1024; taken++) yield Buffer.alloc(65_536, 'x');
    },
  };
  const script = ({ verb }: Step): Answer => (verb === 'DATA' ? stall : undefined);
  await withRelay(
    { mta: { extensions: ['PIPELINING'], script }, relay: { timeoutMs: 300 } },
    async ({ mta, relay }) => {
      assert.equal((await relay.send(request({ message }))).kind, 'unreachable');
      assert.ok(taken > 0 && taken < 512, String(taken)); // what the kernel buffers
      assert.equal(mta.messages.length, 0);
    },
  );
});

test('a mail that was given up while the MTA was slow is not completed behind our back', async () => {
  const script = ({ verb, mail }: Step): Answer => (verb === 'DATA' && mail === 1 ? stall : undefined);
  await withRelay(
    { mta: { extensions: ['PIPELINING'], script }, relay: { timeoutMs: 3_000 } },
    async ({ mta, relay }) => {
      assert.equal((await relay.send(request({ message: inMemory(...big) }))).kind, 'unreachable');
      mta.read();
      assert.equal((await relay.send(request())).kind, 'accepted');
      assert.equal(mta.messages.length, 1);
    },
  );
});
