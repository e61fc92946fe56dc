/**
 * The From: field as mail readers show it: each mailbox as `Name <address>`, decoded, in one harmless line. Names that
 * could be taken for an address stand in quotes. Leaves judging addresses to mailboxes.ts and the checks.
 */
import { decodeField, decodeOctets } from '../encoded-word.js';
import { shown } from '../text.js';

/** UTF-16 units of the field that are looked at, mailboxes that are shown, and units of the result. */
const maxInput = 16_384;
const maxMailboxes = 10;
const maxOutput = 1_000;

/** '' where there is no field. `raw` and `charset` are as in `decodeField`. */
export function visibleFrom(raw: string, charset?: string): string {
  const [, plain, address = plain] = plainMailbox.exec(raw) ?? [];
  if (address !== undefined) return address;
  const mailboxes = mailboxesIn(raw.slice(0, maxInput)).filter(
    ({ name, addresses }) => name + addresses.join('') !== '',
  );
  const texts = mailboxes.slice(0, maxMailboxes).map((mailbox) => mailboxText(mailbox, charset));
  return shown([...texts, ...(mailboxes.length > maxMailboxes ? ['…'] : [])].join(', '), maxOutput);
}

/** One address, or words and an address, as nearly all have it: it is shown as it is, an address without brackets. */
const plainMailbox =
  /^ ?(?=.{1,300}$)(?:([\w.-]+@[\w.-]+|[A-Za-z][\w-]*(?: [A-Za-z][\w-]*)* <[\w.+-]+@[\w.-]+>)|<([\w.+-]+@[\w.-]+)>)$/;

interface Mailbox {
  /** As it stands there, without quotes. */
  readonly name: string;
  /** The addresses in angle brackets, or the whole mailbox where it is nothing but an address; there is mostly one. */
  readonly addresses: readonly string[];
}

function mailboxText({ name, addresses }: Mailbox, charset: string | undefined): string {
  const text = decodeField(name, charset).replace(/\s+/g, ' ').trim();
  // Encoded words mean nothing in an address.
  const targets = addresses.map((address) => decodeOctets(address, charset).replace(/\s+/g, ''));
  if (targets.length === 0) return text;
  if (text === '' && targets.length === 1) return targets.join('');
  const safe = /[<>@",;:\\()[\]]/.test(text) ? `"${text.replace(/["\\]/g, '\\$&')}"` : text;
  return [safe, ...targets.map((target) => `<${target}>`)].filter((part) => part !== '').join(' ');
}

/** What stands between two commas, as it is read. */
class Draft {
  /** What stands outside angle brackets, quotes, encoded words and comments. */
  bare = '';
  /** What stands in quotes, and the encoded words. */
  words = '';
  /** Both of these, in order. */
  phrase = '';
  comment = '';
  readonly angles: string[] = [];

  mailbox(): Mailbox {
    const bare = this.bare.trim();
    if (this.angles.length > 0) return { name: this.phrase.trim() || this.comment, addresses: this.angles };
    if (bare.startsWith('@')) return { name: this.comment, addresses: [this.phrase.trim()] };
    // RFC 822 §A.1.3: `a@b.example (Name)`.
    if (bare.includes('@')) return { name: this.words || this.comment, addresses: [bare] };
    return { name: this.phrase.trim() || this.comment, addresses: [] };
  }
}

/**
 * A quoted string, a comment without another in it, an encoded word, an address in brackets; then what stands alone.
 */
const token = new RegExp(
  [
    String.raw`"((?:[^"\\]|\\.)*)"?`,
    String.raw`\(((?:[^()\\]|\\.)*)\)?`,
    String.raw`(=\?[^\s?]+\?[bq]\?[^?\r\n]*\?=)`,
    '<([^<>]*)>?',
    '([,;:])',
    '([^"(<,;:=]+|[^])',
  ].join('|'),
  'gisy',
);

function mailboxesIn(text: string): readonly Mailbox[] {
  const mailboxes: Mailbox[] = [];
  let draft = new Draft();
  for (const [, quoted, comment, word, angle, separator, other] of text.matchAll(token)) {
    const words = quoted?.replace(/\\(.)/gs, '$1') ?? word ?? '';
    draft.words += words;
    draft.bare += other ?? '';
    draft.phrase += words + (other ?? '');
    draft.comment += comment === undefined ? '' : ` ${comment.replace(/\\(.)/gs, '$1')}`;
    if (angle !== undefined) draft.angles.push(angle.trim());
    // A group (RFC 5322 §3.4) becomes its name and its members.
    if (separator === undefined) continue;
    mailboxes.push(draft.mailbox());
    draft = new Draft();
  }
  return [...mailboxes, draft.mailbox()];
}
