/**
 * What plugins write to the console, to process.stdout and to process.stderr becomes lines of the log, each with the
 * plugin's name. The call stack tells which plugin wrote it. So hooks cost nothing more, and what a plugin writes later
 * on, or while its file is loaded, bears its name as well. Where no frame of a plugin is on the stack, as with some
 * libraries, the name is `plugin`. Looking at stacks takes time: a flood of lines is cut off.
 */
import { Console } from 'node:console';
import { Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';

export interface ConsoleLog {
  debug(details: object, text: string): void;
  info(details: object, text: string): void;
  warn(details: object, text: string): void;
}

/** Names by file: Node loads a file once, so it has one name. */
const names = new Map<string, string>();

/** From now on, what this file (a URL) writes is logged under that plugin's name. */
export function namePlugin(url: string, name: string): void {
  names.set(url, name).set(fileURLToPath(url), name);
}

/** Where a program writes by itself. */
export interface Streams {
  readonly stdout: Pick<NodeJS.WriteStream, 'write'>;
  readonly stderr: Pick<NodeJS.WriteStream, 'write'>;
}

/**
 * From now on `console`, process.stdout and process.stderr write to the log; what is for errors, as warnings.
 */
export function consoleToLog(log: ConsoleLog, target: Console = console, { stdout, stderr }: Streams = process): void {
  const flood = new ConsoleFlood((lines) => log.warn({ lines }, tooMany));
  const to =
    (level: keyof ConsoleLog): Write =>
    (text) => {
      if (flood.takes()) log[level]({ plugin: caller() }, text.replace(/\n$/, '').slice(0, maxLine));
    };
  const quiet = new Console({ stdout: lines(to('debug')), colorMode: false });
  const own = new Console({ stdout: lines(to('info')), stderr: lines(to('warn')), colorMode: false });
  for (const method of methods) target[method] = own[method].bind(own) as never;
  target.debug = quiet.debug.bind(quiet);
  stdout.write = writer(stdout, to('info'));
  stderr.write = writer(stderr, to('warn'));
}

type Write = (text: string) => void;

const ownWrites = new WeakMap<object, (text: string) => boolean>();

/** How the program itself writes to the stream, whatever plugins have in that place. */
export const ownWrite = (stream: Streams['stderr']): ((text: string) => boolean) =>
  ownWrites.get(stream) ?? ((text) => stream.write(text));

const methods = [
  ...([
    'log',
    'info',
    'warn',
    'error',
    'trace',
    'dir',
    'dirxml',
    'table',
    'assert',
    'group',
    'groupCollapsed',
  ] as const),
  ...(['groupEnd', 'count', 'countReset', 'time', 'timeLog', 'timeEnd'] as const),
];

/** UTF-16 units of one line; what is beyond is cut. */
const maxLine = 8192;

/** So many lines are taken in a second: they cost some 50 ms. */
const maxLines = 500;
const secondMs = 1000;
const tooMany = `lines of plugins were dropped: a second has room for ${maxLines}`;

/** Lets the first lines of each second pass, counts the others, and tells their number when the second is over. */
class ConsoleFlood {
  readonly #tell: (lines: number) => void;
  #since = -Infinity;
  #taken = 0;
  #dropped = 0;

  constructor(tell: (lines: number) => void) {
    this.#tell = tell;
  }

  takes(): boolean {
    const now = performance.now();
    if (now - this.#since >= secondMs) this.#begin(now);
    if (this.#taken++ < maxLines) return true;
    if (this.#dropped++ === 0) setTimeout(() => this.#begin(performance.now()), secondMs).unref();
    return false;
  }

  #begin(now: number): void {
    const dropped = this.#dropped;
    this.#since = now;
    this.#taken = 0;
    this.#dropped = 0;
    if (dropped > 0) this.#tell(dropped);
  }
}

/** Calls `write` while whoever writes to the console is still on the stack. */
const lines = (write: Write): Writable =>
  new Writable({
    decodeStrings: false,
    write(text: string, _encoding, done) {
      write(text);
      done();
    },
  });

/**
 * Takes what a stream's own `write` takes. An empty part is left to that, for its callback tells when all is written.
 */
function writer(stream: Streams['stdout'], write: Write): Streams['stdout']['write'] {
  const own = stream.write.bind(stream);
  ownWrites.set(stream, own);
  return (part: Uint8Array | string, encoding?: BufferEncoding | Done, done?: Done): boolean => {
    const told = typeof encoding === 'function' ? encoding : done;
    if (part.length === 0) return own(part, told);
    write(typeof part === 'string' ? part : Buffer.from(part).toString());
    if (told) process.nextTick(told);
    return true;
  };
}

type Done = (error?: Error | null) => void;

/** The first plugin whose file stands in the text of a stack. */
export function pluginIn(stack: string): string | undefined {
  for (const [, place = ''] of stack.matchAll(/^ {4}at (?:.*\()?(.+?):\d+:\d+\)?$/gm)) {
    const name = names.get(place.replace(/\?.*$/, ''));
    if (name !== undefined) return name;
  }
  return undefined;
}

/** A plugin, or what it uses, may have put something else in the place of stacks as Node writes them. */
function caller(): string {
  const { stackTraceLimit, prepareStackTrace } = Error;
  Object.assign(Error, { stackTraceLimit: 40, prepareStackTrace: undefined });
  const { stack = '' } = new Error('where');
  Object.assign(Error, { stackTraceLimit, prepareStackTrace });
  return pluginIn(stack) ?? 'plugin';
}
