/**
 * Macros (RFC 7208 §7): a macro-string is parsed once to a template, and expanded as often as needed.
 *
 *     macro-string  = *( macro-expand / macro-literal )
 *     macro-expand  = ( "%{" macro-letter transformers *delimiter "}" ) / "%%" / "%_" / "%-"
 *     macro-literal = %x21-24 / %x26-7E
 *     macro-letter  = "s" / "l" / "o" / "d" / "i" / "p" / "h" / "c" / "r" / "t" / "v"
 *     transformers  = *DIGIT [ "r" ]
 *     delimiter     = "." / "-" / "+" / "," / "/" / "_" / "="
 *     explain-string = *( macro-string / SP )                              ; RFC 7208 §6.2
 *
 * Expansion concatenates; it never searches or replaces inside remote text.
 */
import { dottedNibbles, type Ip, reversedText } from '../mail/ip.js';
import { type Result, wrong } from '../mail/result.js';
import { isAscii } from './domain.js';

export type MacroLetter = 's' | 'l' | 'o' | 'd' | 'i' | 'p' | 'h' | 'c' | 'r' | 't' | 'v';

export interface MacroExpand {
  readonly letter: MacroLetter;
  /** How many right-hand parts stay; 0 keeps all. */
  readonly keep: number;
  readonly reverse: boolean;
  /** The delimiters to split at; '' when the value is not split at all. */
  readonly delimiters: string;
  /** An upper-case letter: URL-escape the value. */
  readonly escape: boolean;
  /** Is it `%{ir}`, which nearly all are that ask for the address? */
  readonly isReversedIp: boolean;
}

export type MacroParts = readonly (string | MacroExpand)[];

export interface MacroString {
  readonly text: string;
  /** Literals (`%%`, `%_` and `%-` among them) and expansions in turn. */
  readonly parts: MacroParts;
  /** The same for a client of either family, `%{v}` being a literal among its neighbours. */
  readonly partsFor: Readonly<Record<Ip['family'], MacroParts>>;
  /** Is its end a macro-expand? */
  readonly endsInExpand: boolean;
  /**
   * Is every text that comes of it a name, if only it is short enough? It is where each label is one that is written,
   * or comes whole from the domains and the address (`%{d}`, `%{o}`, `%{i}`, `%{v}`).
   */
  readonly isName: boolean;
  /** Does it need the validated domain name of the client? It costs look-ups. */
  readonly usesPtr: boolean;
  /** Does the local-part stand in it (`%{s}`, `%{l}`)? */
  readonly usesLocalPart: boolean;
}

export interface MacroProblem {
  readonly kind: 'problem';
  readonly problem: string;
  /** Index in the text that was parsed. */
  readonly at: number;
}

/**
 * Where the text stands decides which letters it may use: `%{c}`, `%{r}` and `%{t}` only in an explanation
 * (RFC 7208 §7.2); an unknown modifier is checked by the grammar alone, which has all letters (§6).
 */
export type MacroPlace = 'domain-spec' | 'unknown-modifier' | 'explanation';

const macroBody = /%\{([slodiphcrtv])(\d*)(r?)([-.+,/_=]*)\}/iy;
const literalRun = /[\x21-\x24\x26-\x7e]+/y;
const literalRunOrSpace = /[\x20-\x24\x26-\x7e]+/y;
const shorthand: Readonly<Record<string, string>> = { '%%': '%', '%_': ' ', '%-': '%20' };

/** Reads a whole text as a macro-string. */
export function parseMacroString(text: string, place: MacroPlace): MacroString | MacroProblem {
  const parts: (string | MacroExpand)[] = [];
  const literal = place === 'explanation' ? literalRunOrSpace : literalRun;
  let letters = '';
  let endsInExpand = false;
  for (let at = 0; at < text.length;) {
    if (text[at] !== '%') {
      literal.lastIndex = at;
      const run = literal.exec(text)?.[0];
      if (run === undefined) return problemAt(at, `${nameOfCharacter(text, at)} may not stand here`);
      parts.push(run);
      endsInExpand = false;
      at += run.length;
      continue;
    }
    endsInExpand = true;
    const short = shorthand[text.slice(at, at + 2)];
    if (short !== undefined) {
      parts.push(short);
      at += 2;
      continue;
    }
    macroBody.lastIndex = at;
    const m = macroBody.exec(text);
    if (!m) return problemAt(at, 'not a macro; a percent sign is written %%');
    const expand = expandOf(m);
    if (!expand.ok) return problemAt(at, expand.problem);
    if (place === 'domain-spec' && 'crt'.includes(expand.value.letter)) {
      // RFC 7208 §7.2: "allowed only in "exp" text".
      return problemAt(at, `the macro ${m[0]} is allowed only in the text of an explanation`);
    }
    letters += expand.value.letter;
    parts.push(expand.value);
    at += m[0].length;
  }
  const partsFor = { 4: withVersion(parts, 4), 6: withVersion(parts, 6) };
  const usesPtr = letters.includes('p');
  return { text, parts, partsFor, endsInExpand, isName: isName(parts), usesPtr, usesLocalPart: /[sl]/.test(letters) };
}

/** Puts a plain `%{v}` in, and joins literals that are neighbours then. */
function withVersion(parts: MacroParts, family: Ip['family']): MacroParts {
  const joined: (string | MacroExpand)[] = [];
  let literals: string[] = [];
  const end = (): void => {
    if (literals.length > 0) joined.push(literals.join(''));
    literals = [];
  };
  for (const part of parts) {
    if (typeof part === 'string') literals.push(part);
    else if (part.letter === 'v' && part.delimiters === '') literals.push(versionOf(family));
    else {
      end();
      joined.push(part);
    }
  }
  end();
  return joined;
}

/** `%{v}`; URL-escaping changes nothing in it. */
const versionOf = (family: Ip['family']): string => (family === 4 ? 'in-addr' : 'ip6');

/** Labels as they are written, and \0 in place of those that a macro stands for. */
const labels = /^(?:\0|[^\0.]{1,63})(?:\.(?:\0|[^\0.]{1,63}))*\.?$/;

const isName = (parts: MacroParts): boolean =>
  labels.test(parts.map((part) => (typeof part === 'string' ? part : isOfLabels(part) ? '\0' : '..')).join(''));

const isOfLabels = ({ letter, delimiters, escape }: MacroExpand): boolean =>
  'doiv'.includes(letter) && (delimiters === '' || delimiters === '.') && !escape;

function expandOf([whole, letter = '', digits = '', r = '', delimiters = '']: readonly string[]): Result<MacroExpand> {
  // RFC 7208 §7.3: "The DIGIT transformer … if the DIGIT is present, the value MUST be nonzero".
  if (digits !== '' && Number(digits) === 0)
    return wrong(`the macro ${whole} keeps no part; the number must not be zero`);
  const lower = letter.toLowerCase();
  const value = {
    letter: lower as MacroLetter,
    keep: Number(digits),
    reverse: r !== '',
    // RFC 7208 §7.3: split only "if transformers or delimiters are provided", by default on ".".
    delimiters: delimiters === '' && digits === '' && r === '' ? '' : delimiters || '.',
    escape: letter !== lower,
    isReversedIp: whole?.toLowerCase() === '%{ir}',
  };
  return { ok: true, value };
}

const problemAt = (at: number, problem: string): MacroProblem => ({ kind: 'problem', problem, at });

/** Names a character in a message: itself where it is visible, else its code. */
export function nameOfCharacter(text: string, at: number): string {
  const code = text.codePointAt(at) ?? 0;
  if (code === 0x20) return 'a space';
  if (code > 0x20 && code < 0x7f) return `"${String.fromCodePoint(code)}"`;
  return `the character 0x${code.toString(16).toUpperCase().padStart(2, '0')}`;
}

/** What the letters stand for (RFC 7208 §7.2), fixed for one evaluation. */
export interface MacroValues {
  /** `%{s}` */
  readonly sender: string;
  /** `%{l}` */
  readonly localPart: string;
  /** `%{o}` */
  readonly senderDomain: string;
  /** `%{i}`, `%{c}`, `%{v}` */
  readonly ip: Ip;
  /** `%{h}` */
  readonly helo: string;
  /** `%{r}` */
  readonly receiver: string;
  /** `%{t}`: milliseconds since 1970. */
  readonly now: () => number;
}

/** What changes from record to record and from term to term. */
export interface MacroContext {
  /** `%{d}`: the domain whose record is evaluated; changes with include and redirect. */
  readonly domain: string;
  /** `%{p}`: the validated domain name of the client, or "unknown". */
  readonly validated: string;
}

/** Expands a template; undefined where RFC 8616 §4 makes the term match nothing. */
export function expandMacro(macro: MacroString, values: MacroValues, context: MacroContext): string | undefined {
  // RFC 8616 §4: a non-ASCII local-part cannot be a DNS label, so terms with it do not match anything.
  if (macro.usesLocalPart && !isAscii(values.localPart)) return undefined;
  let text = '';
  for (const part of macro.partsFor[values.ip.family])
    text += typeof part === 'string' ? part : expandOne(part, values, context);
  return text;
}

function expandOne(part: MacroExpand, values: MacroValues, context: MacroContext): string {
  if (part.isReversedIp) return reversedText(values.ip);
  const value = valueOf(part.letter, values, context);
  const transformed = part.delimiters === '' ? value : transform(value, part);
  return part.escape ? urlEscape(transformed) : transformed;
}

function valueOf(letter: MacroLetter, values: MacroValues, context: MacroContext): string {
  switch (letter) {
    case 's':
      return values.sender;
    case 'l':
      return values.localPart;
    case 'o':
      return values.senderDomain;
    case 'd':
      return context.domain;
    case 'i':
      return values.ip.family === 4 ? values.ip.text : dottedNibbles(values.ip);
    case 'p':
      return context.validated;
    case 'v':
      return versionOf(values.ip.family);
    case 'h':
      return values.helo;
    case 'c':
      return values.ip.text;
    case 'r':
      return values.receiver;
    case 't':
      return String(Math.floor(values.now() / 1000));
  }
}

/**
 * RFC 7208 §7.3: split, reverse, then keep right-hand parts, and join with dots. "No special treatment is
 * given to leading, trailing, or consecutive delimiters", so parts may be empty.
 */
function transform(value: string, { delimiters, reverse, keep }: MacroExpand): string {
  // Walking from the right meets the parts in reversed order, and the right-hand ones first.
  return reverse ? reversed(value, delimiters, keep) : keptInOrder(value, delimiters, keep);
}

/** The parts in reversed order; of those the last `keep`, which are the value's first ones. */
function reversed(value: string, delimiters: string, keep: number): string {
  let text = '';
  let start = 0;
  for (let i = 0, kept = 0; i <= value.length; i++) {
    if (i < value.length && !isDelimiter(value, i, delimiters)) continue;
    const part = value.slice(start, i);
    text = kept === 0 ? part : `${part}.${text}`;
    if (++kept === keep) return text;
    start = i + 1;
  }
  return text;
}

/** The right-hand parts, which between dots are a piece of the value. */
function keptInOrder(value: string, delimiters: string, keep: number): string {
  const kept = value.slice(startOfKept(value, delimiters, keep));
  if (delimiters === '.') return kept;
  let text = '';
  for (let i = 0; i < kept.length; i++) text += isDelimiter(kept, i, delimiters) ? '.' : kept.charAt(i);
  return text;
}

function startOfKept(value: string, delimiters: string, keep: number): number {
  for (let i = value.length - 1, left = keep; i >= 0; i--) {
    if (isDelimiter(value, i, delimiters) && --left === 0) return i + 1;
  }
  return 0;
}

/** Most values are split at dots alone. */
function isDelimiter(value: string, at: number, delimiters: string): boolean {
  return delimiters === '.' ? value.charCodeAt(at) === 0x2e : delimiters.includes(value.charAt(at));
}

/** RFC 7208 §7.3, RFC 3986 §2.3: everything outside the "unreserved" set, octet by octet. */
export function urlEscape(value: string): string {
  let text = '';
  for (const octet of utf8.encode(value)) {
    const character = String.fromCharCode(octet);
    text += unreserved.test(character) ? character : `%${octet.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return text;
}

const utf8 = new TextEncoder();
const unreserved = /[A-Za-z0-9\-._~]/;
