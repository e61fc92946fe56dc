/**
 * Changes to a header section, as filters of mail know them: fields are counted, and all that a change does not name
 * keeps its octets. What counts as one's own field, and who may change what, is the caller's.
 */
import type { Field } from '../header.js';

/**
 * `text` is all that stands behind the colon, the blank there included; its lines end in LF, octets are latin1
 * characters.
 */
export type HeaderEdit =
  /** 0 stands above our own fields, 1 below them, n behind the field that is shown as the n−1st, if there is one. */
  | { readonly kind: 'insert'; readonly index: number; readonly name: string; readonly text: string }
  /** Behind the last field. */
  | { readonly kind: 'add'; readonly name: string; readonly text: string }
  /**
   * The field of that name that is the index-th, counted from 1 in any case of letters; without a text it goes. Where
   * there are fewer, the field is added.
   */
  | { readonly kind: 'change'; readonly index: number; readonly name: string; readonly text: string }
  /** All of that name that came with the message go; those that edits have written stay. */
  | { readonly kind: 'remove'; readonly name: string };

/** A field for those who look at it: its name as it is spelt. */
export interface ShownField {
  readonly name: string;
  /** As that of an edit. */
  readonly text: string;
}

interface EditedField {
  /** In lower case. */
  readonly name: string;
  readonly raw: Buffer;
  /** Did it come with the message as it is? */
  readonly isOriginal: boolean;
}

export class EditedHeader {
  readonly #above: EditedField[] = [];
  #fields: EditedField[];

  /** `fields` are those of the message, without ours. */
  constructor(fields: readonly Field[]) {
    this.#fields = fields.map(({ name, raw }) => ({ name, raw, isOriginal: true }));
  }

  /** What stands above our own fields, as octets. */
  get above(): Buffer {
    return Buffer.concat(this.#above.map(({ raw }) => raw));
  }

  /** What stands below them. */
  get below(): Buffer {
    return Buffer.concat(this.#fields.map(({ raw }) => raw));
  }

  /** All fields; those of ours that are shown stand where our own do. */
  shown(ours: readonly ShownField[]): readonly ShownField[] {
    return [...this.#above.map(shownField), ...ours, ...this.#fields.map(shownField)];
  }

  /** `oursShown` is how many of our own fields were among those that are counted. Returns what is wrong with it. */
  apply(edit: HeaderEdit, oursShown: number): string | undefined {
    if (!fieldName.test(edit.name)) return `${JSON.stringify(edit.name.slice(0, 100))} is no name of a header field`;
    const name = edit.name.toLowerCase();
    if (edit.kind === 'remove') {
      this.#fields = this.#fields.filter((field) => field.name !== name || !field.isOriginal);
      return undefined;
    }
    const field = { name, raw: rawField(edit), isOriginal: false };
    switch (edit.kind) {
      case 'add':
        this.#fields.push(field);
        return undefined;
      case 'insert':
        if (edit.index === 0) this.#above.unshift(field);
        else this.#fields.splice(Math.max(0, edit.index - 1 - this.#above.length - oursShown), 0, field);
        return undefined;
      case 'change':
        this.#change(field, edit);
        return undefined;
    }
  }

  #change(field: EditedField, { index, text }: HeaderEdit & { readonly kind: 'change' }): void {
    let left = index;
    for (const list of [this.#above, this.#fields]) {
      const at = list.findIndex(({ name }) => name === field.name && --left === 0);
      if (at < 0) continue;
      if (text === '') list.splice(at, 1);
      else list[at] = field;
      return;
    }
    if (text !== '') this.#fields.push(field);
  }
}

/** RFC 5322 §2.2; our choice: no longer than a line. */
const fieldName = /^[!-9;-~]{1,900}$/;

const rawField = ({ name, text }: Exclude<HeaderEdit, { kind: 'remove' }>): Buffer =>
  Buffer.from(`${name}:${foldedText(text).replaceAll('\n', '\r\n')}\r\n`, 'latin1');

/** A text whose every line but the first begins with a blank, so that none begins a field: LF and a tab else. */
export function foldedText(text: string): string {
  if (!/[\x00-\x08\x0a-\x1f\x7f]/.test(text)) return text;
  return text
    .replace(/\r\n?/g, '\n')
    .replace(/[\x00-\x08\x0b-\x1f\x7f]/g, '?')
    .replace(/(?:\n[\t ]*)+(?=\n|$)/g, '')
    .replace(/\n(?![\t ])/g, '\n\t');
}

function shownField({ raw }: EditedField): ShownField {
  const text = raw.toString('latin1');
  const colon = text.indexOf(':');
  return {
    name: text.slice(0, colon).trimEnd(),
    text: text
      .slice(colon + 1)
      .replace(/\r\n$/, '')
      .replaceAll('\r\n', '\n'),
  };
}
