/**
 * A search as conditions of SQL: rows that do not meet them cannot match. Which of the others do is the query's own
 * `matches` to say, so that files and catalog find the same. Values are parameters, never text of a statement.
 */
import { parseIp } from '../mail/ip.js';
import type { Query, QueryTerm } from '../quarantine/look/query.js';
import { idTime } from '../smtp/transaction-id.js';
import type { SqlValue } from './database.js';
import { clean } from './mail-row.js';

/** What rows have to meet; `$1` and so on are its values in order. */
export class Conditions {
  readonly values: SqlValue[];
  readonly #all: string[] = [];

  /** They are values that stand in the statement otherwise. */
  constructor(...values: readonly SqlValue[]) {
    this.values = [...values];
  }

  /** Each `?` stands for one of the values. */
  add(condition: string, ...values: readonly SqlValue[]): void {
    let next = 0;
    this.#all.push(
      condition.replace(/\?/g, () => {
        this.values.push(values[next++] ?? null);
        return `$${this.values.length}`;
      }),
    );
  }

  get text(): string {
    return this.#all.length === 0 ? 'true' : this.#all.join(' and ');
  }
}

/** An ID as somebody writes it, or as it stands in a file's name. */
const wholeId = /^\.?([0-9A-HJKMNP-TV-Z]{14})_?$/;

/** The mail's ID and its time, where the search names one whole. */
export function idIn({ terms }: Query): { readonly id: string; readonly time: number } | undefined {
  for (const { key, value, not } of terms) {
    const id = key === 'id' && !not ? (wholeId.exec(value)?.[1] ?? '') : '';
    const time = idTime(id);
    if (time !== undefined) return { id, time };
  }
  return undefined;
}

export function addTerms(conditions: Conditions, query: Query): void {
  if (query.after !== undefined) conditions.add('m.at >= ?', new Date(query.after).toISOString());
  if (query.before !== undefined) conditions.add('m.at < ?', new Date(query.before).toISOString());
  if (query.domain !== undefined) conditions.add('m.domain = ?', clean(query.domain));
  const id = idIn(query);
  if (id) conditions.add('m.id = ?', id.id);
  for (const term of query.terms) if (!term.not) addTerm(conditions, term);
}

function addTerm(conditions: Conditions, { key, value }: QueryTerm): void {
  switch (key) {
    case 'plugin':
    case 'spf':
      if (isAscii(value)) conditions.add(`lower(m.${key}) = ?`, value.toLowerCase());
      return;
    case 'larger':
    case 'after':
    case 'before':
    case 'is':
    case 'domain':
      return;
    case 'ip':
      if (parseIp(value)) conditions.add('m.ip = ?', parseIp(value)?.text ?? '');
      return;
    case 'from':
      if (value === '<>') conditions.add("m.sender = ''");
      else addWords(conditions, value);
      return;
    default:
      addWords(conditions, value);
  }
}

const isAscii = (text: string): boolean => /^[ -~]*$/.test(text);

function addWords(conditions: Conditions, value: string): void {
  conditions.add(
    `m.words like ?`,
    `%${clean(value)
      .toLowerCase()
      .replace(/[\\%_]/g, '\\$&')}%`,
  );
}
