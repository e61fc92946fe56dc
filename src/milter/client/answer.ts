/**
 * What a filter answers, as values, and what it agrees to at the beginning. Filters are other people's programs: an
 * answer that the protocol does not have, or that lacks what belongs to it, is `broken`.
 */
import { type Result, wrong } from '../../mail/result.js';
import { stringsOf } from '../codec.js';
import type { MilterFrame } from '../command.js';
import type { Offer } from '../negotiation.js';
import type { Edit } from '../policy.js';

export type FilterAnswer =
  | FilterSaid
  | { readonly kind: 'progress' }
  /** Values and addresses are octets, one to a character. */
  | { readonly kind: 'edit'; readonly edit: Edit }
  | { readonly kind: 'broken'; readonly problem: string };

/** A verdict, or leave to go on. */
export type FilterSaid =
  { readonly kind: 'continue' | 'accept' | 'reject' | 'tempfail' | 'discard' | 'skip' | 'shutdown' } | FilterReply;

/** A reply in the filter's own words. */
export interface FilterReply {
  readonly kind: 'reply';
  /** 400 to 599. */
  readonly code: number;
  /** Its class is that of the code; '' where the filter gives none. */
  readonly enhanced: string;
  /** Printable ASCII, without codes; empty where the filter says nothing. */
  readonly lines: readonly string[];
}

const plain: Readonly<Record<string, FilterAnswer>> = {
  c: { kind: 'continue' }, // SMFIR_CONTINUE
  a: { kind: 'accept' }, // SMFIR_ACCEPT
  r: { kind: 'reject' }, // SMFIR_REJECT
  t: { kind: 'tempfail' }, // SMFIR_TEMPFAIL
  d: { kind: 'discard' }, // SMFIR_DISCARD
  s: { kind: 'skip' }, // SMFIR_SKIP
  p: { kind: 'progress' }, // SMFIR_PROGRESS
  4: { kind: 'shutdown' }, // SMFIR_SHUTDOWN
};

const broken = (problem: string): FilterAnswer => ({ kind: 'broken', problem });
const edited = (edit: Edit): FilterAnswer => ({ kind: 'edit', edit });

/** Reads a frame; a piece of a new body is a view on its octets. */
export function parseAnswer(frame: MilterFrame): FilterAnswer {
  const code = String.fromCharCode(frame.code);
  const known = Object.hasOwn(plain, code) ? plain[code] : undefined;
  if (known !== undefined) return frame.start === frame.end ? known : broken(`data behind the answer "${code}"`);
  switch (code) {
    case 'b': // SMFIR_REPLBODY
      return edited({ kind: 'replace-body', body: frame.octets.subarray(frame.start, frame.end) });
    case 'y': // SMFIR_REPLYCODE
      return withStrings(frame, 'a reply', ([text]) => text !== undefined && readReply(text));
    case 'h': // SMFIR_ADDHEADER
      return withStrings(frame, 'a field to add', ([name, value]) =>
        name !== undefined && value !== undefined ? edited({ kind: 'add-header', name, value }) : false,
      );
    case 'i': // SMFIR_INSHEADER
    case 'm': // SMFIR_CHGHEADER
      return headerAt(frame, code);
    case 'e': // SMFIR_CHGFROM
      return withStrings(frame, 'a sender', ([sender]) =>
        sender !== undefined ? edited({ kind: 'change-sender', sender }) : false,
      );
    case '+': // SMFIR_ADDRCPT
    case '2': // SMFIR_ADDRCPT_PAR
      return withStrings(frame, 'a recipient to add', ([recipient]) =>
        recipient !== undefined ? edited({ kind: 'add-recipient', recipient }) : false,
      );
    case '-': // SMFIR_DELRCPT
      return withStrings(frame, 'a recipient to delete', ([recipient]) =>
        recipient !== undefined ? edited({ kind: 'delete-recipient', recipient }) : false,
      );
    case 'q': // SMFIR_QUARANTINE
      return withStrings(frame, 'a reason', ([reason]) =>
        reason !== undefined ? edited({ kind: 'quarantine', reason }) : false,
      );
    default:
      return broken(`an unknown answer 0x${frame.code.toString(16).padStart(2, '0')}`);
  }
}

function withStrings(
  { octets, start, end }: MilterFrame,
  what: string,
  make: (strings: readonly string[]) => FilterAnswer | false,
): FilterAnswer {
  const strings = stringsOf(octets, start, end);
  return (strings && make(strings)) || broken(`${what} that is none`);
}

/** u32 index, name NUL value NUL. */
function headerAt(frame: MilterFrame, code: 'i' | 'm'): FilterAnswer {
  const { octets, start, end } = frame;
  if (end - start < 4) return broken('a field without its index');
  const index = octets.readUInt32BE(start);
  return withStrings({ code: frame.code, octets, start: start + 4, end }, 'a field to change', ([name, value]) => {
    if (name === undefined || value === undefined) return false;
    if (code === 'i') return edited({ kind: 'insert-header', index, name, value });
    return edited({ kind: 'change-header', index: Math.max(1, index), name, value });
  });
}

const maxReplyLines = 10;
const maxLine = 400;

/** `ddd[ x.y.z] text`, lines joined by CRLF, `ddd-` on all but the last. */
function readReply(text: string): FilterAnswer | false {
  const code = Number(/^([45]\d\d)(?![^ -])/.exec(text)?.[1] ?? NaN);
  if (Number.isNaN(code)) return false;
  const lines: string[] = [];
  let enhanced = '';
  for (const line of text.split(/\r?\n/).slice(0, maxReplyLines)) {
    const [, status, words = ''] = /^(?:[45]\d\d[ -]?)?(?:([245]\.\d{1,3}\.\d{1,3})(?: |$))?(.*)$/s.exec(line) ?? [];
    if (enhanced === '' && status !== undefined) enhanced = `${Math.floor(code / 100)}${status.slice(1)}`;
    const clean = words
      .replaceAll('%%', '%')
      .replace(/[^\x20-\x7e]/g, '?')
      .trim();
    if (clean !== '') lines.push(clean.slice(0, maxLine));
  }
  return { kind: 'reply', code, enhanced, lines };
}

/** What filter and client agreed on; `lists` are the macros that the filter wants, by the number of the stage. */
export interface FilterAgreement extends Offer {
  readonly lists: ReadonlyMap<number, readonly string[]>;
}

/** Filters hang up, or do less than they could, where less is offered: this is what Postfix and Sendmail offer. */
export const clientOffer: Offer = { version: 6, actions: 0x1ff, protocol: 0x1fffff };

/** Reads the answer to `clientOffer`. */
export function parseAgreement({ code, octets, start, end }: MilterFrame): Result<FilterAgreement> {
  if (code !== 0x4f) return wrong('it does not negotiate'); // SMFIC_OPTNEG 'O'
  if (end - start < 12) return wrong('a negotiation of fewer than 12 octets');
  const version = octets.readUInt32BE(start);
  const actions = octets.readUInt32BE(start + 4);
  if (version < 2 || version > clientOffer.version) return wrong(`the version ${version}, which was not offered`);
  if ((actions & ~clientOffer.actions) !== 0) return wrong('actions that were not offered');
  const lists = readLists(octets, start + 12, end);
  if (lists === undefined) return wrong('a list of macros without an end');
  return {
    ok: true,
    value: { version, actions, protocol: octets.readUInt32BE(start + 8) & clientOffer.protocol, lists },
  };
}

/** u32 stage, names NUL, … */
function readLists(octets: Buffer, start: number, end: number): Map<number, readonly string[]> | undefined {
  const lists = new Map<number, readonly string[]>();
  for (let at = start; at < end;) {
    const nul = at + 4 < end ? octets.indexOf(0, at + 4) : -1;
    if (nul < 0 || nul >= end) return undefined;
    const names = octets.toString('latin1', at + 4, nul).split(/[\s,]+/);
    lists.set(octets.readUInt32BE(at), names.filter((name) => name !== '').slice(0, maxMacros));
    at = nul + 1;
  }
  return lists;
}

/** Sendmail sends no more of a stage. */
const maxMacros = 50;
