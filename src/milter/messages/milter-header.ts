/**
 * The header of a mail while a filter changes it. The protocol counts fields by name, as they were received, and an
 * MTA counts anew behind a deletion or does not: here a filter says what it wants, and `edits` is how it is said so
 * that Postfix and Sendmail do the same.
 */
import type { Edit, HeaderField } from '../policy.js';

interface ReceivedField extends HeaderField {
  /** It counts from 1 the fields of that name, as received. */
  readonly index: number;
  /** What it is to become; undefined where it is to go. */
  wanted: string | undefined;
}

const keyOf = (name: string): string => name.toLowerCase();
const isBlank = (value: string): boolean => /^[\r\n\t ]*$/.test(value);
const unfolded = (value: string): string => value.replace(/\r?\n(?=[ \t])/g, '').trim();

export class MilterHeader {
  readonly #received: ReceivedField[] = [];
  readonly #counts = new Map<string, number>();
  /** From the top. */
  #above: HeaderField[] = [];
  #below: HeaderField[] = [];

  /** Takes the fields as they were received. */
  constructor(fields: Iterable<HeaderField> = []) {
    for (const field of fields) this.see(field);
  }

  /** Takes the next field as it was received: for the handler of `header`. */
  see({ name, value }: HeaderField): void {
    const index = (this.#counts.get(keyOf(name)) ?? 0) + 1;
    this.#counts.set(keyOf(name), index);
    this.#received.push({ name, value, index, wanted: value });
  }

  /** All fields as they are to be, from the top; folded lines are joined by LF. */
  get fields(): readonly HeaderField[] {
    const kept = this.#received.flatMap(({ name, wanted }) => (wanted === undefined ? [] : [{ name, value: wanted }]));
    return [...this.#above, ...kept, ...this.#below];
  }

  /** The first value of that name (any case), unfolded and trimmed, octets as latin1; undefined for none. */
  get(name: string): string | undefined {
    return this.all(name)[0];
  }

  all(name: string): readonly string[] {
    return this.fields.flatMap((field) => (keyOf(field.name) === keyOf(name) ? [unfolded(field.value)] : []));
  }

  /** Adds a field behind the last one; Sendmail puts it before the first of that name where there is one. */
  add(name: string, value: string): void {
    this.#below.push({ name, value });
  }

  /** Puts a field above all others, also those of the MTA. */
  insert(name: string, value: string): void {
    this.#above.unshift({ name, value });
  }

  /** The first field of that name gets this value, and all others of that name go; one is added where there is none. */
  set(name: string, value: string): void {
    let isSet = false;
    this.change(name, () => {
      const first = !isSet;
      isSet = true;
      return first ? value : undefined;
    });
    if (!isSet) this.add(name, value);
  }

  /** Removes all fields of that name. */
  remove(name: string): void {
    this.change(name, () => undefined);
  }

  /**
   * Gives each field of that name, from the top, the value that is answered, or removes it where that is undefined.
   * `value` is as it stands in the mail, and `index` counts from 0.
   */
  change(name: string, valueOf: (value: string, index: number) => string | undefined): void {
    let count = 0;
    const changed = (field: HeaderField): HeaderField[] => {
      if (keyOf(field.name) !== keyOf(name)) return [field];
      const value = valueOf(field.value, count++);
      return value === undefined ? [] : [{ name: field.name, value }];
    };
    this.#above = this.#above.flatMap(changed);
    for (const field of this.#received)
      if (keyOf(field.name) === keyOf(name) && field.wanted !== undefined)
        field.wanted = valueOf(field.wanted, count++);
    this.#below = this.#below.flatMap(changed);
  }

  /** What is to be answered at the end of the message for all this. */
  get edits(): readonly Edit[] {
    const edits: Edit[] = [];
    for (const { name, value, index, wanted } of this.#received) {
      if (wanted === undefined) edits.push({ kind: 'delete-header', name, index });
      // An empty value would delete the field, and of line breaks alone nothing is left.
      else if (wanted !== value)
        edits.push({ kind: 'change-header', name, index, value: isBlank(wanted) ? ' ' : wanted });
    }
    for (const field of this.#above.toReversed()) edits.push({ kind: 'insert-header', index: 0, ...field });
    for (const field of this.#below) edits.push({ kind: 'add-header', ...field });
    return edits;
  }
}
