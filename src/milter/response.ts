/**
 * What a filter answers, as frames. The one place where text becomes octets for the MTA: whatever a reply or a header
 * value holds, it ends where it should and cannot begin another.
 */
import { frame, u32 } from './codec.js';
import { type Agreement, action, editActions, maxDataOf, protocol } from './negotiation.js';
import type { Answer, Edit, ReplyAnswer } from './policy.js';

/** What a command may be answered by. */
const answers = {
  continue: frame('c'), // SMFIR_CONTINUE
  accept: frame('a'), // SMFIR_ACCEPT
  reject: frame('r'), // SMFIR_REJECT
  tempfail: frame('t'), // SMFIR_TEMPFAIL
  discard: frame('d'), // SMFIR_DISCARD
} as const;

export const frames = {
  ...answers,
  skip: frame('s'), // SMFIR_SKIP
  progress: frame('p'), // SMFIR_PROGRESS
} as const;

/** Throws for a reply whose code is not 400 to 599, and for what is no answer. */
export function encodeAnswer(answer: Answer): Buffer {
  if (answer.kind === 'reply') return frame('y', replyText(answer), '\0'); // SMFIR_REPLYCODE
  if (!Object.hasOwn(answers, answer.kind)) throw new Error(`no answer: ${JSON.stringify(answer)}`);
  return answers[answer.kind];
}

/** SMFIC_OPTNEG, the only code both sides use. */
export function encodeAgreement(agreed: Agreement): Buffer {
  const lists = agreed.lists.flatMap(([stage, names]) => [u32(stage), names, '\0']);
  return frame('O', u32(agreed.version), u32(agreed.actions), u32(agreed.protocol), ...lists);
}

/** The limit of libmilter's smfi_setmlreply. */
const maxReplyLines = 32;
const maxLineOctets = 980;

/** `ddd[ x.y.z] text`, lines joined by CRLF, `ddd-` on all but the last; without its NUL. */
function replyText({ code, enhanced, text }: ReplyAnswer): string {
  if (!Number.isInteger(code) || code < 400 || code > 599) throw new Error(`a reply of a filter cannot be ${code}`);
  const lines = (typeof text === 'string' ? [text] : text).map(replyLine).filter((line) => line !== '');
  const kept = lines.length > 0 ? lines.slice(0, maxReplyLines) : [code < 500 ? 'Try again later' : 'Command rejected'];
  const status = enhancedOf(code, enhanced);
  return kept.map((line, i) => `${code}${i < kept.length - 1 ? '-' : ' '}${status}${line}`).join('\r\n');
}

/** RFC 2034 §4: the class is that of the code. What is no enhanced code is left out. */
function enhancedOf(code: number, enhanced: string): string {
  const rest = /^[245](\.\d{1,3}\.\d{1,3})$/.exec(enhanced)?.[1];
  return rest === undefined ? '' : `${Math.floor(code / 100)}${rest} `;
}

/** `%` doubled, because MTAs expand it: Sendmail drops a text with a single one. */
function replyLine(text: string): string {
  const doubled = text
    .replace(/[^\x20-\x7e]/gu, '')
    .trim()
    .replaceAll('%', '%%');
  if (doubled.length <= maxLineOctets) return doubled;
  const cut = doubled.slice(0, maxLineOctets);
  return (/%*$/.exec(cut)?.[0].length ?? 0) % 2 === 0 ? cut : cut.slice(0, -1);
}

/**
 * The frames of a message's edits, in an order in which header indexes mean the fields as they were received. Edits
 * the MTA did not offer are left out. Throws for what no MTA could take: an odd field name or address, data over
 * 65,535 octets.
 */
export function encodeEdits(edits: readonly Edit[], agreed: Agreement): Buffer[] {
  const lead = (agreed.protocol & protocol.leadingSpace) === 0 ? '' : ' '; // no MTA adds one then
  const offered = edits.filter(({ kind }) => (editActions[kind][0] & agreed.actions) !== 0);
  return offered.sort(inOrder).flatMap((edit) => encodeEdit(edit, agreed, lead));
}

/** Postfix counts fields anew behind a deletion and counts inserted ones too; Sendmail does neither. */
const rank: Readonly<Record<Edit['kind'], number>> = {
  'change-header': 0,
  'delete-header': 1,
  'insert-header': 2,
  'add-header': 2,
  'change-sender': 3,
  'delete-recipient': 4,
  'add-recipient': 5,
  'replace-body': 6, // in one row: Postfix takes nothing between its pieces
  quarantine: 7,
};

function inOrder(a: Edit, b: Edit): number {
  if (a.kind === 'delete-header' && b.kind === 'delete-header') return b.index - a.index;
  return rank[a.kind] - rank[b.kind];
}

function encodeEdit(edit: Edit, agreed: Agreement, lead: string): Buffer | Buffer[] {
  switch (edit.kind) {
    case 'add-header':
      return bounded('h', `${fieldName(edit.name)}\0${lead}${fieldValue(edit.value)}\0`); // SMFIR_ADDHEADER
    case 'insert-header':
      // SMFIR_INSHEADER
      return bounded('i', `${u32(edit.index)}${fieldName(edit.name)}\0${lead}${fieldValue(edit.value)}\0`);
    case 'change-header': {
      const value = fieldValue(edit.value);
      // SMFIR_CHGHEADER
      return bounded('m', `${u32(edit.index)}${fieldName(edit.name)}\0${value === '' ? '' : lead}${value}\0`);
    }
    case 'delete-header':
      return bounded('m', `${u32(edit.index)}${fieldName(edit.name)}\0\0`); // SMFIR_CHGHEADER, an empty value
    case 'change-sender':
      return bounded('e', `${address(edit.sender)}\0${parametersOf(edit)}`); // SMFIR_CHGFROM
    case 'add-recipient': {
      const parameters = (agreed.actions & action.addRecipientWithParameters) === 0 ? '' : parametersOf(edit);
      // SMFIR_ADDRCPT_PAR, SMFIR_ADDRCPT
      return bounded(parameters === '' ? '+' : '2', `${address(edit.recipient)}\0${parameters}`);
    }
    case 'delete-recipient':
      return bounded('-', `${address(edit.recipient)}\0`); // SMFIR_DELRCPT
    case 'replace-body':
      return bodyFrames(edit.body, maxDataOf(agreed));
    case 'quarantine':
      // SMFIR_QUARANTINE
      return bounded('q', `${edit.reason.replace(/[^\x20-\x7e]/gu, '').slice(0, maxLineOctets) || 'quarantined'}\0`);
  }
}

/** MILTER_MAX_DATA_SIZE: Sendmail takes no more. */
const maxData = 65_535;

function bounded(code: string, data: string): Buffer {
  if (data.length > maxData) throw new Error(`an edit of ${data.length} octets, over ${maxData}`);
  return frame(code, data);
}

/** SMFIR_REPLBODY; an empty body takes one frame too. */
function bodyFrames(body: Uint8Array, maxPiece: number): Buffer[] {
  const count = Math.max(1, Math.ceil(body.length / maxPiece));
  return Array.from({ length: count }, (_, i) => frame('b', body.subarray(i * maxPiece, (i + 1) * maxPiece)));
}

/** RFC 5322 §2.2: printable ASCII but the colon. */
function fieldName(name: string): string {
  if (!/^[\x21-\x39\x3b-\x7e]+$/.test(name)) throw new Error(`not the name of a header field: ${JSON.stringify(name)}`);
  return name;
}

/** Line breaks are LF and white space (CRLF would leave a bare CR in the mail); other controls become `?`. */
function fieldValue(value: string): string {
  if (wellFolded.test(value)) return value;
  return latin1(value)
    .replace(/\r\n?/g, '\n')
    .replace(/[\x00-\x08\x0b-\x1f\x7f]/g, '?')
    .replace(/(?:\n[\t ]*)+(?=\n|$)/g, '')
    .replace(/\n(?![\t ])/g, '\n\t');
}

/** Lines of octets without controls; those behind the first begin with white space, and have something behind it. */
const wellFolded = /^[\t\x20-\x7e\x80-\xff]*(?:\n[\t ]+[\x21-\x7e\x80-\xff][\t\x20-\x7e\x80-\xff]*)*$/;

function address(text: string): string {
  if (/[\x00-\x1f\x7f]/.test(text)) throw new Error('an address with control characters');
  return latin1(text);
}

/** With its end; '' where there are none. */
function parametersOf({ parameters }: { readonly parameters?: readonly string[] }): string {
  return parameters === undefined || parameters.length === 0 ? '' : `${parameters.map(address).join(' ')}\0`;
}

/** Octets, one to a character. */
const latin1 = (text: string): string => text.replace(/[^\x00-\xff]/gu, '?');
