/**
 * Shared by the plugins that ask a scanner (clamav, rspamd, spamassassin): its place, its limits, and what happens when
 * it is not there. It is no plugin itself. Arguments, behind the place:
 *
 *     down=defer     no scanner, no answer in time, or one that makes no sense: the mail is deferred (the default),
 *     down=pass      or goes on unscanned, and the log says so
 *     timeout=20     seconds for one mail; less than the setting plugin_timeout
 *     size=25m       a larger mail goes on unscanned, and the log says so
 */
import type { Writable } from 'node:stream';
import { type NetConnectOpts, type Socket, connect } from 'node:net';
import { type Mail, type Plugin, type Verdict, defer, defineCheck, note, skip } from '../../src/hooks/check.js';
import { reply } from '../../src/mail/reply.js';

export interface Scanner {
  readonly place: NetConnectOpts;
  readonly timeoutMs: number;
}

/** The scanner is not there, or does not answer as it should. */
export class ScannerDown extends Error {}

interface ScannerCheck {
  readonly name: string;
  readonly inAll: boolean;
  /** The list's arguments, without those that only this scanner knows. */
  readonly args: readonly string[];
  /** Throws ScannerDown where the scanner is at fault, and other errors where it is not. */
  scan(mail: Mail, scanner: Scanner): Promise<Verdict>;
}

/** A check that asks a scanner; without a place it is off, and says so once. */
export function defineScanner({ name, inAll, args, scan }: ScannerCheck): Plugin {
  const [place, ...options] = args;
  const { down, timeoutMs, maxSize } = optionsOf(options);
  const scanner = place === undefined ? undefined : { place: placeOf(place), timeoutMs };
  let hasWarned = false;
  return defineCheck({
    name,
    inAll,
    async inspect(mail) {
      if (!scanner) {
        const text = `off: the list of plugins does not say where ${name} is to be found`;
        const isNews = !hasWarned;
        hasWarned = true;
        return isNews ? note(text) : skip(text);
      }
      if (mail.message.size > maxSize) return note(`not scanned: larger than ${maxSize} octets`);
      try {
        return await scan(mail, scanner);
      } catch (error) {
        if (!(error instanceof ScannerDown)) throw error;
        if (down === 'pass') return note(`not scanned: ${error.message}`);
        const text = 'Your mail cannot be scanned now, try again later';
        return defer('', `${place}: ${error.message}`, reply(451, '4.3.0', text));
      }
    },
  });
}

interface ScannerOptions {
  readonly down: 'defer' | 'pass';
  readonly timeoutMs: number;
  readonly maxSize: number;
}

function optionsOf(words: readonly string[]): ScannerOptions {
  const known = { down: 'defer', timeout: '20', size: '25m' };
  const given: typeof known = {
    ...known,
    ...Object.fromEntries(words.map((word) => splitOption(word, Object.keys(known)))),
  };
  const size = /^(\d{1,9})([kmg]?)$/.exec(given.size);
  if (given.down !== 'defer' && given.down !== 'pass') throw new Error('down is defer or pass');
  if (!/^[1-9]\d{0,3}$/.test(given.timeout)) throw new Error('timeout is a number of seconds');
  if (!size) throw new Error('size is a number of octets, or with k, m or g');
  const unit = 1024 ** ['', 'k', 'm', 'g'].indexOf(size[2] ?? '');
  return { down: given.down, timeoutMs: Number(given.timeout) * 1000, maxSize: Number(size[1]) * unit };
}

/** Splits `name=value`; throws where the name is none of these. */
export function splitOption(word: string, names: readonly string[]): [name: string, value: string] {
  const at = word.indexOf('=');
  const name = word.slice(0, Math.max(at, 0));
  if (!names.includes(name)) throw new Error(`"${word}" is none of ${names.map((one) => `${one}=`).join(', ')}`);
  return [name, word.slice(at + 1)];
}

/** `/path`, `host:port` or `[v6]:port`. */
function placeOf(text: string): NetConnectOpts {
  if (text.startsWith('/')) return { path: text };
  const [, v6, name, port] = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9.-]+)):([1-9]\d{0,4})$/i.exec(text) ?? [];
  const host = v6 ?? name;
  if (host === undefined || Number(port) > 65_535) throw new Error(`"${text}" is neither /path nor host:port`);
  return { host, port: Number(port) };
}

export interface ScannerExchange {
  readonly scanner: Scanner;
  readonly request: () => AsyncIterable<Buffer>;
  /** Is the answer complete? Without this function it is complete when the scanner hangs up. */
  readonly isWhole?: (answer: Buffer) => boolean;
}

const maxAnswer = 1 << 20; // octets

/**
 * Sends the request, and reads the answer, which may come before all is sent. Throws ScannerDown, or what reading the
 * request throws.
 */
export async function exchange({ scanner, request, isWhole = () => false }: ScannerExchange): Promise<Buffer> {
  const socket = connect(scanner.place);
  let late: NodeJS.Timeout | undefined;
  const answer = new Promise<Buffer>((resolve, reject) => {
    let heard = Buffer.alloc(0);
    const fail = (problem: string): void => reject(new ScannerDown(problem));
    socket.on('data', (octets) => {
      heard = Buffer.concat([heard, octets]);
      if (heard.length > maxAnswer) fail('its answer has no end');
      else if (isWhole(heard)) resolve(heard);
    });
    socket.on('end', () => resolve(heard));
    socket.on('error', (error) => fail(error.message));
    socket.on('close', () => fail('hung up'));
    late = setTimeout(() => fail(`no answer within ${scanner.timeoutMs} ms`), scanner.timeoutMs);
  });
  const said = say(socket, request());
  try {
    return await Promise.race([answer, said.then(() => answer)]);
  } finally {
    clearTimeout(late);
    socket.destroy();
    said.catch(() => undefined);
    answer.catch(() => undefined);
  }
}

/** Ends quietly when the socket is gone: whoever reads the answer learns why. */
async function say(socket: Socket, request: AsyncIterable<Buffer>): Promise<void> {
  for await (const part of request) {
    if (socket.destroyed || !socket.writable) return;
    if (!socket.write(part)) await drained(socket);
  }
}

/** Resolves when more may be written, or the stream is closed. */
export const drained = (socket: Writable): Promise<void> =>
  new Promise((resolve) => {
    const done = (): void => {
      socket.off('drain', done).off('close', done);
      resolve();
    };
    socket.on('drain', done).on('close', done);
  });
