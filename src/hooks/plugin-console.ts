/**
 * What plugins write to the console becomes lines of the log, each with the plugin's name. The call stack tells which
 * plugin wrote it. So hooks cost nothing more, and what a plugin writes later on, or while its file is loaded, bears
 * its name as well. Where no frame of a plugin is on the stack, as with some libraries, the name is `plugin`.
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

/** From now on `console` writes to the log; `error` and `warn` as warnings. */
export function consoleToLog(log: ConsoleLog, target: Console = console): void {
  const quiet = new Console({ stdout: lines((text) => log.debug({ plugin: caller() }, text)), colorMode: false });
  const own = new Console({
    stdout: lines((text) => log.info({ plugin: caller() }, text)),
    stderr: lines((text) => log.warn({ plugin: caller() }, text)),
    colorMode: false,
  });
  for (const method of methods) target[method] = own[method].bind(own) as never;
  target.debug = quiet.debug.bind(quiet);
}

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

/** Calls `write` while whoever writes to the console is still on the stack. */
const lines = (write: (text: string) => void): Writable =>
  new Writable({
    decodeStrings: false,
    write(text: string, _encoding, done) {
      write(text.replace(/\n$/, '').slice(0, maxLine));
      done();
    },
  });

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
