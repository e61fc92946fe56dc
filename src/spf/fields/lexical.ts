/**
 * The lexical parts of a structured header field (RFC 5322 §3.2), to write and to read: what client
 * and domain octets are turned into so that none of them breaks a field.
 */

import { printable } from '../../mail/text.js';

/** Our choice: longer values are cut, so that no line comes near the 998 octets of RFC 5322 §2.1.1. */
export const maxValue = 400;

/**
 * The part of a value that a header field carries: printable US-ASCII (with `utf8`, printable Unicode), anything else
 * as "?", at most `maxValue` octets. Whoever reads the field gets this.
 */
export function fieldText(value: string, utf8 = false): string {
  if (value.length <= maxValue && plainText.test(value)) return value;
  if (!utf8) return value.slice(0, maxValue).replace(/[^\x20-\x7e]/g, '?');
  const { read } = new TextEncoder().encodeInto(value, new Uint8Array(maxValue));
  return printable(value.slice(0, read));
}

const plainText = /^[\x20-\x7e]*$/;

/** `quoted-string` (RFC 5322 §3.2.4); with `utf8` as RFC 6532 §3.2 widens it, for mail that is SMTPUTF8 only. */
export function quotedString(value: string, utf8 = false): string {
  const text = value.length <= maxValue && unquoted.test(value) ? value : quoted(fieldText(value, utf8));
  return `"${text}"`;
}

/** Nothing in it has to be quoted, or to be taken out. */
const unquoted = /^[ !#-[\]-~]*$/;
const quoted = (text: string): string => text.replace(/["\\]/g, '\\$&');

/** `comment` (RFC 5322 §3.2.2), its runs of spaces made one, so that it can be folded at each. */
export function comment(text: string): string {
  if (text.length <= maxValue && plainWords.test(text)) return `(${text})`;
  const words = fieldText(text).trim().replace(/ {2,}/g, ' ');
  return `(${words.replace(/[()\\]/g, '\\$&')})`;
}

/** Words with one space between them, and nothing that a comment would have to quote. */
const plainWords = /^[!-'*-[\]-~]+(?: [!-'*-[\]-~]+)*$/;

export interface FieldFormat {
  /**
   * Break lines with LF and a tab, as milters do, so that none is over 78 octets where it can be helped; default
   * false.
   */
  readonly folded?: boolean;
}

/** The body of a field from parts between which white space may stand; `name` counts for the first line. */
export function layOut(name: string, parts: readonly string[], { folded = false }: FieldFormat): string {
  if (!folded) return parts.join(' ');
  let body = '';
  let column = name.length + 1;
  for (const part of parts) {
    // A comment may be folded at each of its spaces.
    const isComment = part.startsWith('(');
    let lineStart = 0;
    for (let start = 0; start <= part.length;) {
      const space = isComment ? part.indexOf(' ', start) : -1;
      const end = space < 0 ? part.length : space;
      const fits = column + 1 + end - start <= 78;
      column = (fits ? column + 1 : 8) + end - start;
      if (start === 0) {
        if (body !== '') body += fits ? ' ' : '\n\t';
      } else if (!fits) {
        body += `${part.slice(lineStart, start - 1)}\n\t`;
        lineStart = start;
      }
      start = end + 1;
    }
    body += part.slice(lineStart);
  }
  return body;
}

/**
 * Reads a structured field body from left to right. Each method steps over what it reads, or leaves the
 * place and answers undefined. Comments are nested by counting, so that depth costs nothing.
 */
export class FieldReader {
  readonly #text: string;
  #at = 0;

  /** Folding is undone first; a line break that folds nothing is malformed. */
  constructor(body: string) {
    this.#text = body.replace(/\r?\n(?=[ \t])/g, '').replace(/\r?\n$/, '');
  }

  get atEnd(): boolean {
    return this.#at >= this.#text.length;
  }

  /**
   * `[CFWS]`: white space and comments; the text of the last comment, '' for none; undefined when one is not closed.
   */
  skipCfws(): string | undefined {
    let last = '';
    for (;;) {
      this.match(/[ \t]+/y);
      if (this.#text[this.#at] !== '(') return last;
      const text = this.#comment();
      if (text === undefined) return undefined;
      last = text;
    }
  }

  #comment(): string | undefined {
    let text = '';
    for (let at = this.#at + 1, depth = 1; at < this.#text.length; at++) {
      let character = this.#text.charAt(at);
      if (isLineBreak(character)) return undefined;
      if (character === '\\') character = this.#text.charAt(++at);
      else if (character === '(') depth++;
      else if (character === ')' && --depth === 0) {
        this.#at = at + 1;
        return text;
      }
      text += character;
    }
    return undefined;
  }

  /** What a sticky expression matches here. */
  match(expression: RegExp): string | undefined {
    expression.lastIndex = this.#at;
    const found = expression.exec(this.#text)?.[0];
    if (found === undefined) return undefined;
    this.#at += found.length;
    return found;
  }

  /**
   * A quoted-string, or a run of what is neither white space nor a separator: wider than the grammars, as others
   * write. A mailbox whose local-part is a quoted-string comes as it stands, quotes and all.
   */
  value(): string | undefined {
    if (this.#text[this.#at] !== '"') return this.match(/[^\s;()"]+/y);
    const start = this.#at;
    const text = this.#quotedString();
    const domain = text === undefined ? undefined : this.match(/@[^\s;()"]+/y);
    return domain === undefined ? text : this.#text.slice(start, this.#at);
  }

  #quotedString(): string | undefined {
    let text = '';
    for (let at = this.#at + 1; at < this.#text.length; at++) {
      let character = this.#text.charAt(at);
      if (isLineBreak(character)) return undefined;
      if (character === '"') {
        this.#at = at + 1;
        return text;
      }
      if (character === '\\') character = this.#text.charAt(++at);
      text += character;
    }
    return undefined;
  }
}

const isLineBreak = (character: string): boolean => character === '\r' || character === '\n';
