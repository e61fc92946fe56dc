/** One archived mail: its first line, our fields, and the message behind them; and how a file is read as one. */
import fs from 'node:fs';
import { headerEnd, type Header, parseHeader } from '../../mail/header.js';
import type { MessageSource } from '../../mail/message.js';
import { unicode } from '../../mail/text.js';
import { ioError } from '../disk/durable.js';
import { openToRead } from '../disk/regular.js';

export interface KeptMail {
  /** It says for people where the mail is, such as its path. */
  readonly place: string;
  /** It is all that was archived. */
  readonly whole: MessageSource;
  /** It is as much of the header section as was read: our fields on top of the sender's. */
  readonly header: Header;
  /** It comes from our `Recipient:` line; '' when that is missing. */
  readonly recipient: string;
  /** The reverse-path; '' is the null one. */
  readonly reversePath: string;
  /** It is everything behind the `Recipient:` line. */
  readonly message: MessageSource;
}

/** Header fields are looked for in so many octets. */
export const maxHeader = 262_144;

/** Where a mail's octets come from. */
export interface KeptOctets {
  readonly place: string;
  /** They are the first octets, so many that the header section is among them where it is not too long. */
  readonly beginning: Buffer;
  readonly size: number;
  /** It reads them from there to their end. */
  readonly from: (start: number) => ReturnType<MessageSource['parts']>;
}

/** Undefined when it is gone, or no regular file. Broken IO throws. */
export function openKeptMail(file: string): KeptMail | undefined {
  const beginning = beginningOf(file);
  if (!beginning) return undefined;
  const { octets, size } = beginning;
  const isAll = octets.length === size;
  return keptMailOf({
    place: file,
    beginning: octets,
    size,
    from: (start) => (isAll ? [octets.subarray(start)] : octetsOf(file, start)),
  });
}

export function keptMailOf({ place, beginning, size, from }: KeptOctets): KeptMail {
  const header = parseHeader(beginning.subarray(0, headerEnd(beginning) ?? beginning.length));
  const [first] = header.fields;
  const start = first?.name === 'recipient' ? first.raw.length : 0;
  const reversePath = unicode(header.get('X-MAIL-FROM') ?? '');
  return {
    place,
    whole: { size, parts: () => from(0) },
    header,
    recipient: start > 0 ? unicode(first?.value ?? '') : '',
    reversePath: reversePath === '<>' ? '' : reversePath,
    message: { size: size - start, parts: () => from(start) },
  };
}

/** Never through a link. Throws when the file is gone. */
async function* octetsOf(file: string, start: number): AsyncGenerator<Buffer> {
  const fd = openToRead(file);
  if (fd === undefined) throw ioError('ENOENT', `no such mail any more '${file}'`);
  yield* fs.createReadStream(file, { fd, start });
}

function beginningOf(file: string): { readonly octets: Buffer; readonly size: number } | undefined {
  const fd = openToRead(file);
  if (fd === undefined) return undefined;
  try {
    const { size } = fs.fstatSync(fd);
    const octets = Buffer.alloc(Math.min(size, maxHeader));
    return { octets: octets.subarray(0, fs.readSync(fd, octets, 0, octets.length, 0)), size };
  } finally {
    fs.closeSync(fd);
  }
}
