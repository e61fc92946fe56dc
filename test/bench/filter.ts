/**
 * A filter of the benchmark, in a process of its own: it goes on with every mail, and counts. Its parent names socket
 * and wishes, is told when it listens, and its counts when it asks.
 */
import net from 'node:net';
import { FrameReader, frame, u32 } from '../../src/milter/codec.js';

const [path = '', protocol = '0', atConnect = 'c'] = process.argv.slice(2);
const goOn = frame('c');
const agreement = frame('O', u32(6), u32(0x1ff), u32(Number(protocol)));

/** Bits of "do not answer this" in the protocol word. */
const silent: Readonly<Record<string, number>> = {
  C: 0x1000,
  H: 0x2000,
  M: 0x4000,
  R: 0x8000,
  T: 0x10000,
  L: 0x80,
  N: 0x40000,
  B: 0x80000,
};

const isAnswered = (code: string): boolean => !'DAQ'.includes(code) && (Number(protocol) & (silent[code] ?? 0)) === 0;

let reads = 0;
let answers = 0;

function answerTo(code: string): Buffer {
  if (code === 'O') return agreement;
  return code === 'C' ? frame(atConnect) : goOn;
}

const server = net.createServer((socket) => {
  const reader = new FrameReader();
  socket.on('error', () => socket.destroy());
  socket.on('data', (octets) => {
    reads++;
    reader.push(octets);
    while (reader.next()) {
      const code = String.fromCharCode(reader.code);
      if (!isAnswered(code)) continue;
      answers++;
      socket.write(answerTo(code));
    }
  });
});
server.listen(path, () => process.send?.({}));
process.on('message', () => process.send?.({ reads, answers }));
process.on('disconnect', () => process.exit());
