/**
 * What an MTA says, as values: one frame is one command. A frame that is no command of the protocol, or holds less
 * than its command needs, is a problem, on which the connection is closed.
 */
import { type Ip, parseIp } from '../mail/ip.js';
import { stringsOf } from './codec.js';
import type { MilterClient, EnvelopePath, HeaderField } from './policy.js';

export type MilterCommand =
  | { readonly kind: 'negotiate'; readonly version: number; readonly actions: number; readonly protocol: number }
  /** `code`: of the command they belong to. `definitions`: name NUL value NUL …, as sent. */
  | { readonly kind: 'macros'; readonly code: number; readonly definitions: string }
  | { readonly kind: 'connect'; readonly client: MilterClient }
  | { readonly kind: 'helo'; readonly name: string }
  | { readonly kind: 'mail'; readonly sender: EnvelopePath }
  | { readonly kind: 'rcpt'; readonly recipient: EnvelopePath }
  | { readonly kind: 'data' }
  | { readonly kind: 'header'; readonly field: HeaderField }
  | { readonly kind: 'eoh' }
  | { readonly kind: 'body'; readonly chunk: Uint8Array }
  /** `chunk`: a last piece of the body; mostly empty. */
  | { readonly kind: 'eom'; readonly chunk: Uint8Array }
  | { readonly kind: 'unknown'; readonly line: string }
  | { readonly kind: 'abort' }
  | { readonly kind: 'quit' }
  /** The SMTP session is over, the connection is not. */
  | { readonly kind: 'next-session' };

export interface BrokenCommand {
  readonly kind: 'broken';
  readonly problem: string;
}

/** A frame as `FrameReader` shows it. */
export interface MilterFrame {
  readonly code: number;
  readonly octets: Buffer;
  readonly start: number;
  readonly end: number;
}

const data = { kind: 'data' } as const;
const eoh = { kind: 'eoh' } as const;
const abort = { kind: 'abort' } as const;
const quit = { kind: 'quit' } as const;
const nextSession = { kind: 'next-session' } as const;

const broken = (problem: string): BrokenCommand => ({ kind: 'broken', problem });

/** Reads a frame. Pieces of a body are views on its octets, all else is copied. */
export function parseCommand(frame: MilterFrame): MilterCommand | BrokenCommand {
  switch (frame.code) {
    case 0x44: // SMFIC_MACRO 'D'
      return macros(frame);
    case 0x4d: // SMFIC_MAIL 'M'
      return withPath(frame, 'MAIL', (sender) => ({ kind: 'mail', sender }));
    case 0x52: // SMFIC_RCPT 'R'
      return withPath(frame, 'RCPT', (recipient) => ({ kind: 'rcpt', recipient }));
    case 0x54: // SMFIC_DATA 'T'
      return data;
    case 0x4c: // SMFIC_HEADER 'L'
      return header(frame);
    case 0x4e: // SMFIC_EOH 'N'
      return eoh;
    case 0x42: // SMFIC_BODY 'B'
      return { kind: 'body', chunk: frame.octets.subarray(frame.start, frame.end) };
    case 0x45: // SMFIC_BODYEOB 'E'
      return { kind: 'eom', chunk: frame.octets.subarray(frame.start, frame.end) };
    case 0x41: // SMFIC_ABORT 'A'
      return abort;
    case 0x51: // SMFIC_QUIT 'Q'
      return quit;
    case 0x4b: // SMFIC_QUIT_NC 'K'
      return nextSession;
    case 0x48: // SMFIC_HELO 'H'
      return withText(frame, 'HELO', (name) => ({ kind: 'helo', name }));
    case 0x55: // SMFIC_UNKNOWN 'U'
      return withText(frame, 'UNKNOWN', (line) => ({ kind: 'unknown', line }));
    case 0x43: // SMFIC_CONNECT 'C'
      return connect(frame);
    case 0x4f: // SMFIC_OPTNEG 'O'
      return negotiate(frame);
    default:
      return broken(`unknown command 0x${frame.code.toString(16).padStart(2, '0')}`);
  }
}

function negotiate({ octets, start, end }: MilterFrame): MilterCommand | BrokenCommand {
  if (end - start < 12) return broken('negotiation of fewer than 12 octets');
  return {
    kind: 'negotiate',
    version: octets.readUInt32BE(start),
    actions: octets.readUInt32BE(start + 4),
    protocol: octets.readUInt32BE(start + 8),
  };
}

function macros({ octets, start, end }: MilterFrame): MilterCommand | BrokenCommand {
  if (start === end) return broken('macros of no command');
  return { kind: 'macros', code: octets[start] ?? 0, definitions: octets.toString('latin1', start + 1, end) };
}

function withText(
  frame: MilterFrame,
  name: string,
  make: (text: string) => MilterCommand,
): MilterCommand | BrokenCommand {
  const text = stringsOf(frame.octets, frame.start, frame.end)?.[0];
  return text === undefined ? broken(`${name} without a string`) : make(text);
}

function withPath(
  frame: MilterFrame,
  name: string,
  make: (path: EnvelopePath) => MilterCommand,
): MilterCommand | BrokenCommand {
  const [path, ...parameters] = stringsOf(frame.octets, frame.start, frame.end) ?? [];
  return path === undefined ? broken(`${name} without a string`) : make(envelopePath(path, parameters));
}

function envelopePath(path: string, parameters: readonly string[]): EnvelopePath {
  const bracketed = path.startsWith('<') && path.endsWith('>') && path.length > 1;
  return { path, address: bracketed ? path.slice(1, -1) : path, parameters };
}

/** Name NUL value NUL. Fields are what an MTA sends most of: they are cut without a list of strings. */
function header({ octets, start, end }: MilterFrame): MilterCommand | BrokenCommand {
  const text = octets.toString('latin1', start, end);
  const nameEnd = text.indexOf('\0');
  const valueEnd = text.indexOf('\0', nameEnd + 1);
  if (valueEnd < 0 || !text.endsWith('\0')) return broken('HEADER without name and value');
  return { kind: 'header', field: { name: text.slice(0, nameEnd), value: text.slice(nameEnd + 1, valueEnd) } };
}

/** Host NUL, family; where it is known: u16 port, address NUL. */
function connect({ octets, start, end }: MilterFrame): MilterCommand | BrokenCommand {
  const nul = octets.indexOf(0, start);
  if (nul < 0 || nul + 1 >= end) return broken('CONNECT without a family');
  const name = octets.toString('latin1', start, nul);
  const family = octets.toString('latin1', nul + 1, nul + 2);
  if (family === 'U') return { kind: 'connect', client: { kind: 'unknown', name, ip: undefined } }; // SMFIA_UNKNOWN
  const address = nul + 4 < end ? stringsOf(octets, nul + 4, end)?.[0] : undefined;
  if (address === undefined) return broken('CONNECT without an address');
  const client = clientAt({ name, family, port: octets.readUInt16BE(nul + 2), address });
  return client ? { kind: 'connect', client } : broken('CONNECT from what is no address');
}

interface Whence {
  readonly name: string;
  readonly family: string;
  readonly port: number;
  readonly address: string;
}

function clientAt({ name, family, port, address }: Whence): MilterClient | undefined {
  switch (family) {
    case 'L': // SMFIA_UNIX
      return { kind: 'unix', name, ip: undefined, path: address };
    case '4': // SMFIA_INET
    case '6': {
      // SMFIA_INET6
      const ip = macroIp(address);
      return ip && { kind: 'ip', name, ip, port };
    }
    default:
      return undefined;
  }
}

/** An address as MTAs write it: IPv6 with or without `IPv6:`, in any case, with or without a zone. */
function macroIp(text: string): Ip | undefined {
  return parseIp(text.replace(/^IPv6:/i, '').replace(/%.*$/s, ''));
}
