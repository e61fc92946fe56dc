/**
 * One line of octets from a client → one command (RFC 5321 §4.1). Pure: what is allowed when, and what it is answered,
 * is the session's. A line that begins with a known verb and cannot be read is `malformed`.
 */
import { type PathArgument, parsePathArgument, parsePathText } from '../../mail/address.js';
import type { Result } from '../../mail/result.js';
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

/** `line` is without its line end. Blanks behind it do not count. Never throws. */
export function parseCommand(line: Buffer): Command {
  const text = line.toString('latin1');
  const { verb, argument } = words(text);
  switch (verb.toUpperCase()) {
    case 'EHLO':
      return helo(argument, true);
    case 'HELO':
      return helo(argument, false);
    case 'MAIL':
      return withPath('mail', argument);
    case 'RCPT':
      return withPath('rcpt', argument);
    case 'DATA':
      return argument === '' ? { kind: 'data' } : malformed('DATA takes no argument');
    case 'STARTTLS':
      return argument === '' ? { kind: 'starttls' } : malformed('STARTTLS takes no argument');
    case 'RSET':
      return { kind: 'rset' };
    case 'NOOP':
      return { kind: 'noop' };
    case 'QUIT':
      return { kind: 'quit' };
    case 'VRFY':
      return { kind: 'vrfy' };
    case 'HELP':
      return { kind: 'help' };
    case 'XCLIENT':
      return { kind: 'xclient', attributes: parseXclient(argument) };
    default:
      return { kind: 'unknown', line: text };
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
  while (at < end && isBlank(text.charCodeAt(at))) at++;
  return { verb, argument: text.slice(at, end) };
}

const malformed = (problem: string): Command => ({ kind: 'malformed', problem });

/** RFC 5321 §4.1.1.1, and whatever else clients call themselves: one word. Our choice: at most 255 octets. */
const heloName = /^[\x21-\x7e]{1,255}$/;

const helo = (name: string, extended: boolean): Command =>
  heloName.test(name) ? { kind: 'helo', name, extended } : malformed('HELO takes one name of printable ASCII');

/** RFC 5321 §4.1.1.2, §4.1.1.3. White space behind the colon is borne, for many clients send it. */
const syntax = { mail: 'Syntax: MAIL FROM:<address>', rcpt: 'Syntax: RCPT TO:<address>' } as const;
const pathPrefix = { mail: /^FROM:[ \t]*/i, rcpt: /^TO:[ \t]*/i } as const;

function withPath(kind: 'mail' | 'rcpt', argument: string): Command {
  const matched = pathPrefix[kind].exec(argument);
  if (!matched) return { kind: 'malformed', verb: kind, problem: syntax[kind] };
  const path = argument.slice(matched[0].length);
  return { kind, argument: isAscii(path) ? parsePathText(path) : parsePathArgument(Buffer.from(path, 'latin1')) };
}

/** Are these octets (given as latin1) the same text in UTF-8? */
const isAscii = (text: string): boolean => /^[\x00-\x7f]*$/.test(text);
