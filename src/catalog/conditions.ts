/**
 * A search as conditions of SQL: rows that do not meet them cannot match. Which of the others do is the query's own
 * `matches` to say, so that files and catalog find the same. Values are parameters, never text of a statement.
 */
import { numberAsked } from '../lines/search-tests.js';
import { parseIp } from '../mail/ip.js';
import type { Query, QueryTerm } from '../quarantine/look/query.js';
import { idTime } from '../smtp/transaction-id.js';
import type { SqlValue } from './database.js';
import { clean, maxPlugin } from './mail-row.js';

/** What rows have to meet; `$1` and so on are its values in order. */
export class Conditions {
  readonly values: SqlValue[];
  #all: string[] = [];

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

  /** What is added from now on is a text of its own. */
  takeText(): string {
    const { text } = this;
    this.#all = [];
    return text;
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

/** All but the domain. */
export function addTerms(conditions: Conditions, query: Query): void {
  if (query.after !== undefined) conditions.add('m.at >= ?', new Date(query.after).toISOString());
  if (query.before !== undefined) conditions.add('m.at < ?', new Date(query.before).toISOString());
  const id = idIn(query);
  if (id) conditions.add('m.id = ?', id.id);
  for (const term of query.terms) if (!term.not) addTerm(conditions, term);
}

/** A day for which nothing of the domain or plugin was counted is not looked at. `part.day` is the day. */
export function addTallied(conditions: Conditions, query: Query, domains: ReadonlySet<string> | undefined): void {
  const asked: string[] = [];
  const values: SqlValue[] = [];
  const add = (condition: string, value: SqlValue): void => {
    asked.push(` and ${condition}`);
    values.push(value);
  };
  if (query.domain !== undefined) add('t.domain = ?', clean(query.domain));
  if (domains) add('t.domain = any(?)', [...domains].map(clean));
  for (const { key, value, not } of query.terms)
    if (key === 'plugin' && !not && isAscii(value)) add('lower(t.plugin) = ?', value.slice(0, maxPlugin).toLowerCase());
  if (asked.length > 0)
    conditions.add(`exists (select from tally t where t.day = part.day${asked.join('')})`, ...values);
}

/** Is there a word that the index of words finds? It has all runs of three letters or digits. */
export const hasWord = ({ terms }: Query): boolean =>
  terms.some((term) => !term.not && isWord(term) && /[a-z\d]{3}/i.test(term.value));

const notWords: ReadonlySet<QueryTerm['key']> = new Set([
  'plugin',
  'spf',
  'larger',
  'after',
  'before',
  'is',
  'domain',
  'ip',
  'score',
]);

const isWord = ({ key, value }: QueryTerm): boolean => !notWords.has(key) && !(key === 'from' && value === '<>');

function addTerm(conditions: Conditions, term: QueryTerm): void {
  const { key, value } = term;
  if (isWord(term)) addWords(conditions, value);
  else if (key === 'from') conditions.add("m.sender = ''");
  else if ((key === 'plugin' || key === 'spf') && isAscii(value))
    conditions.add(`lower(m.${key}) = ?`, value.toLowerCase());
  else if (key === 'ip' && parseIp(value)) conditions.add('m.ip = ?', parseIp(value)?.text ?? '');
  else if (key === 'score') addScore(conditions, value);
}

function addScore(conditions: Conditions, value: string): void {
  const asked = numberAsked(value);
  if (asked) conditions.add(`m.score ${asked.sign} ?`, asked.number);
}

const isAscii = (text: string): boolean => /^[ -~]*$/.test(text);

function addWords(conditions: Conditions, value: string): void {
  conditions.add(`m.words like ?`, holding(value));
}

/** The pattern of texts in lower case that hold the word. */
export const holding = (word: string): string =>
  `%${clean(word)
    .toLowerCase()
    .replace(/[\\%_]/g, '\\$&')}%`;
