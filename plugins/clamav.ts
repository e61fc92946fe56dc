/**
 * clamav — rejects mail in which clamd finds something.
 *
 *     clamav /run/clamav/clamd.ctl      clamd's LocalSocket,
 *     clamav 127.0.0.1:3310             or its TCPSocket; without either the check is off, and the log says so once
 *
 * Arguments behind that: down=defer or down=pass, timeout=20, size=25m (see shared/scanner.ts). The mail goes through
 * the socket (INSTREAM), so clamd needs no access to postern's files; its StreamMaxLength must not be below size=.
 */
import { type Plugin, pass, reject } from '../src/hooks/check.js';
import type { MessageSource } from '../src/mail/message.js';
import { asciiText, printable } from '../src/mail/text.js';
import { defineScanner, exchange, ScannerDown } from './shared/scanner.js';

export default function clamav(args: readonly string[]): Plugin {
  return defineScanner({
    name: 'clamav',
    inAll: true,
    args,
    async scan({ message }, scanner) {
      const isWhole = (answer: Buffer): boolean => answer.includes(0);
      const answer = await exchange({ scanner, request: () => stream(message), isWhole });
      const said = answer.toString('utf8');
      // clamd(8): exactly one of three; what is cut off is none of them.
      if (said === 'stream: OK\0') return pass;
      const [, found] = /^stream: ([^\n\0]+) FOUND\0$/.exec(said) ?? [];
      if (found === undefined) throw new ScannerDown(`clamd says ${printable(JSON.stringify(said), 200)}`);
      return reject(`Infected: ${asciiText(found, 100)}`);
    },
  });
}

/** clamd(8): each piece behind its length in four octets, a piece of none at the end. */
async function* stream(message: MessageSource): AsyncIterable<Buffer> {
  yield Buffer.from('zINSTREAM\0');
  for await (const part of message.parts()) {
    if (part.length === 0) continue; // it would be the end
    yield lengthOf(part.length);
    yield part;
  }
  yield lengthOf(0);
}

function lengthOf(octets: number): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(octets);
  return length;
}
