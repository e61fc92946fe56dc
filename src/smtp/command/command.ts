/**
 * One line from a client → one command (RFC 5321 §4.1). Pure: what is allowed when, and what it is answered,
 * is the session's. A line that begins with a known verb and cannot be read is `malformed`. What clients write beside
 * the RFC and Postfix takes is taken, too, unless it is read strictly.
 */
import { type PathArgument, parsePathArgument, parsePathText } from '../../mail/address.js';
import type { Result } from '../../mail/result.js';
import { decodeUtf8 } from '../../mail/text.js';
import { tidiedPath } from './tidied-path.js';
import { type XclientAttributes, parseXclient } from './xclient.js';

export type Command =
  | { readonly kind: 'helo'; readonly name: string; readonly extended: boolean }
  | { readonly kind: 'mail'; readonly argument: Result<PathArgument> }
  | { readonly kind: 'rcpt'; readonly argument: Result<PathArgument> }
  | { readonly kind: 'data' | 'rset' | 'noop' | 'quit' | 'vrfy' | 'help' }
  | { readonly kind: 'starttls' }
  | { readonly kind: 'xclient'; readonly attributes: Result<XclientAttributes> }
  /** `verb`: what it was to be, where the journal tells of it. */
  | { readonly kind: 'malformed'; readonly problem: string; readonly verb?: 'mail' | 'rcpt' }
  /** `line` is the whole of it, octets as latin1. */
  | { readonly kind: 'unknown'; readonly line: string };

/**
 * `line` is without its line end, octets as latin1; blanks behind it do not count. `isStrict`: as RFC 5321 has it.
 * Never throws.
 */
export function parseCommand(line: string, isStrict = false): Command {
  const { verb, argument } = words(line);
  switch (verb.toLowerCase()) {
    case 'ehlo':
      return helo(argument, true, isStrict);
    case 'helo':
      return helo(argument, false, isStrict);
    case 'mail':
      return withPath('mail', 'from:', argument, isStrict);
    case 'rcpt':
      return withPath('rcpt', 'to:', argument, isStrict);
    case 'data':
      return argument === '' ? { kind: 'data' } : malformed('DATA takes no argument');
    case 'starttls':
      return argument === '' ? { kind: 'starttls' } : malformed('STARTTLS takes no argument');
    case 'rset':
      return { kind: 'rset' };
    case 'noop':
      return { kind: 'noop' };
    case 'quit':
      return { kind: 'quit' };
    case 'vrfy':
      return { kind: 'vrfy' };
    case 'help':
      return { kind: 'help' };
    case 'xclient':
      return { kind: 'xclient', attributes: parseXclient(argument) };
    default:
      return { kind: 'unknown', line };
  }
}

const isBlank = (octet: number): boolean => octet === 0x20 || octet === 0x09;

/**
 * The first word and the rest, without the blanks around it. No expression: one that looks for blanks at the end is
 * slow.
 */
function words(text: string): { readonly verb: string; readonly argument: string } {
  let end = text.length;
  while (end > 0 && isBlank(text.charCodeAt(end - 1))) end--;
  let at = 0;
  while (at < end && !isBlank(text.charCodeAt(at))) at++;
  const verb = text.slice(0, at);
  return { verb, argument: text.slice(afterBlanks(text, at), end) };
}

function afterBlanks(text: string, from: number): number {
  let at = from;
  while (isBlank(text.charCodeAt(at))) at++;
  return at;
}

const malformed = (problem: string): Command => ({ kind: 'malformed', problem });

/** RFC 5321 §4.1.1.1, and whatever else clients call themselves: one word. Our choice: at most 255 octets. */
const heloName = /^[\x21-\x7e]{1,255}$/;

function helo(argument: string, extended: boolean, isStrict: boolean): Command {
  if (heloName.test(argument)) return { kind: 'helo', name: argument, extended };
  if (isStrict) return malformed('HELO takes one name of printable ASCII');
  const name = looseHeloName(argument);
  return name === undefined
    ? malformed('HELO takes a name that can be printed, of at most 255 octets')
    : { kind: 'helo', name, extended };
}

/** Several words, with one blank between two of them, or UTF-8: that is no host's name, which is for plugins to say. */
function looseHeloName(argument: string): string | undefined {
  if (argument === '' || argument.length > maxHeloOctets) return undefined;
  const name = decodeUtf8(Buffer.from(argument.replace(/[ \t]+/g, ' '), 'latin1'));
  return name === undefined || invisible.test(name) ? undefined : name;
}

const maxHeloOctets = 255;
const invisible = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;

/** RFC 5321 §4.1.1.2, §4.1.1.3. White space behind the colon is borne, for many clients send it. */
const syntax = { mail: 'Syntax: MAIL FROM:<address>', rcpt: 'Syntax: RCPT TO:<address>' } as const;

function withPath(kind: 'mail' | 'rcpt', prefix: string, argument: string, isStrict: boolean): Command {
  if (argument.slice(0, prefix.length).toLowerCase() !== prefix)
    return { kind: 'malformed', verb: kind, problem: syntax[kind] };
  const path = argument.slice(afterBlanks(argument, prefix.length));
  const strictly = parsed(path);
  if (strictly.ok || isStrict) return { kind, argument: strictly };
  const tidied = tidiedPath(path);
  const loosely = tidied === undefined ? strictly : parsed(tidied);
  return { kind, argument: loosely.ok ? loosely : strictly };
}

const parsed = (path: string): Result<PathArgument> =>
  isAscii(path) ? parsePathText(path) : parsePathArgument(Buffer.from(path, 'latin1'));

/** Are these octets (given as latin1) the same text in UTF-8? */
const isAscii = (text: string): boolean => /^[\x00-\x7f]*$/.test(text);
