/**
 * What a client says to a filter, as frames: the other side of `command`. Text becomes octets here, one to a character:
 * what is put together for one write is put together at no cost that way.
 */
import type { Ip } from '../../mail/ip.js';
import { u32 } from '../codec.js';
import { listedName } from '../macros.js';
import type { Offer } from '../negotiation.js';
import type { MacroStage } from '../policy.js';

/** Octets, one to a character: length of code and data, code, data. */
const frame = (code: string, data = ''): string => u32(1 + data.length) + code + data;

/** SMFIC_OPTNEG */
export const encodeOffer = ({ version, actions, protocol }: Offer): string =>
  frame('O', u32(version) + u32(actions) + u32(protocol));

/** Octets of a text, one to a character; NUL would end it. */
const wire = (text: string): string =>
  isAscii.test(text) ? text : Buffer.from(text).toString('latin1').replaceAll('\0', '?');
const isAscii = /^[\x01-\x7f]*$/;

const nul = (texts: readonly string[]): string => texts.map((text) => `${wire(text)}\0`).join('');

/** SMFIC_CONNECT; `host` is a confirmed name, or the address in brackets. */
export function encodeConnect(host: string, ip: Ip, port: number): string {
  const family = ip.family === 6 ? '6' : '4'; // SMFIA_INET6, SMFIA_INET
  return frame('C', nul([host]) + family + String.fromCharCode(port >>> 8, port & 255) + nul([ip.text]));
}

/** SMFIC_HELO */
export const encodeHelo = (name: string): string => frame('H', nul([name]));

/** SMFIC_MAIL, SMFIC_RCPT: the address without brackets, and the words behind it. */
export const encodePath = (code: 'M' | 'R', address: string, parameters: readonly string[]): string =>
  frame(code, nul([`<${address}>`, ...parameters]));

/** Postfix cuts a field for its filters; libmilter hangs up at 65,536 octets. */
const maxField = 60_000;

/** SMFIC_HEADER; name and value are octets, one to a character, the value's lines end in LF. */
export function encodeHeader(name: string, value: string): string {
  const shownName = name.slice(0, maxField);
  return frame('L', `${shownName}\0${value.slice(0, maxField - shownName.length).replaceAll('\0', '?')}\0`);
}

/** MILTER_MAX_DATA_SIZE: libmilter hangs up at one octet more. */
export const maxChunk = 65_535;

/** SMFIC_BODY, but for its data: so many octets. */
export const encodeChunkHead = (octets: number): string => `${u32(1 + octets)}B`;

export const commands = {
  data: frame('T'), // SMFIC_DATA
  eoh: frame('N'), // SMFIC_EOH
  eom: frame('E'), // SMFIC_BODYEOB
  abort: frame('A'), // SMFIC_ABORT
  quit: frame('Q'), // SMFIC_QUIT
  /** Macros for the end of the message, of which there are none: it is sent to be acknowledged. */
  nudge: frame('D', 'E'),
} as const;

/** The code of the command that the macros of a stage come with, and the stage's number (SMFIM_*). */
const stages: Readonly<Record<MacroStage, readonly [code: string, number: number]>> = {
  connect: ['C', 0],
  helo: ['H', 1],
  mail: ['M', 2],
  rcpt: ['R', 3],
  data: ['T', 4],
  eom: ['E', 5],
  eoh: ['N', 6],
};

/** A macro as it is looked up, without braces, and as it is written, with its NUL. */
interface ListedMacro {
  readonly name: string;
  readonly written: string;
}

const listed = (name: string): ListedMacro => ({
  name: name.replace(/^\{(.*)\}$/, '$1'),
  written: `${wire(listedName(name))}\0`,
});

/** The macros of each stage. */
export type MacroLists = Readonly<Record<MacroStage, readonly ListedMacro[]>>;

/** What Postfix sends; {if_addr} and {if_name} are Sendmail's, and milter-greylist's. */
const usual: MacroLists = {
  connect: ['j', 'daemon_name', 'daemon_addr', 'if_name', 'if_addr', 'v', '_'].map(listed),
  helo: ['tls_version', 'cipher'].map(listed),
  mail: ['i', 'mail_addr', 'mail_host', 'mail_mailer'].map(listed),
  rcpt: ['i', 'rcpt_addr', 'rcpt_host', 'rcpt_mailer'].map(listed),
  data: ['i'].map(listed),
  eoh: ['i'].map(listed),
  eom: ['i'].map(listed),
};

/** Those that the filter asked for, by the number of the stage, or the usual ones. */
export function macroLists(asked: ReadonlyMap<number, readonly string[]>): MacroLists {
  if (asked.size === 0) return usual;
  const own = Object.entries(stages).flatMap(([stage, [, number]]) => {
    const names = asked.get(number);
    return names ? [[stage, names.map(listed)]] : [];
  });
  return { ...usual, ...Object.fromEntries(own) };
}

/** Values by name, without braces. */
export type FilterMacros = Readonly<Record<string, string>>;

/**
 * SMFIC_MACRO: the macros of a stage that have a value, the last that is given; '' where there are none. Each name has
 * its value: some filters die of one that has not.
 */
export function encodeMacros(stage: MacroStage, lists: MacroLists, values: readonly FilterMacros[]): string {
  let text = '';
  for (const { name, written } of lists[stage]) {
    const value = values.findLast((one) => Object.hasOwn(one, name))?.[name];
    if (value !== undefined) text += `${written}${wire(value)}\0`;
  }
  return text === '' ? '' : frame('D', stages[stage][0] + text);
}
