/**
 * The operator's search filter with places for what a client said: `(&(objectClass=dNSDomain)(dc=%d))`. What goes
 * into a place is escaped (RFC 4515 §3), so that it can only ever be a value: no client adds a condition or a
 * wildcard.
 */
import { errorText } from '../mail/error-text.js';
import { type Result, wrong } from '../mail/result.js';
import { escapeFilter, FilterParser } from 'ldapts';

/** `%d` a domain, `%u` a local-part, `%s` the whole address. */
export type Placeholder = 'd' | 'u' | 's';

export type FilterValues = { readonly [P in Placeholder]?: string };

export interface FilterTemplate {
  readonly text: string;
  /** Throws where a value is missing: a bug of ours, not of the client's. */
  expand(values: FilterValues): string;
}

export type ParsedFilter = Result<FilterTemplate>;

const maxDepth = 40;
/**
 * Reads a filter in which at least one of `places` stands, or none where it may be constant; a percent sign before any
 * other letter is itself.
 */
export function parseFilter(given: string, places: readonly Placeholder[], mayBeConstant = false): ParsedFilter {
  const text = withoutSpaces(given.startsWith('(') ? given : `(${given})`);
  const depth = depthOf(text);
  if (depth === undefined) return wrong('has unbalanced parentheses');
  if (depth > maxDepth) return wrong(`has parentheses more than ${maxDepth} deep`);
  const parts = text.split(new RegExp(`%([${places.join('')}])`));
  if (parts.length < 2 && !mayBeConstant)
    return wrong(`must hold ${places.map((place) => `%${place}`).join(' or ')}, where the address goes`);
  const template = { text, expand: (values: FilterValues) => expand(parts, values) };
  try {
    FilterParser.parseString(template.expand({ d: 'd.example', u: 'u', s: 'u@d.example' }));
  } catch (error) {
    return wrong(`is no search filter by RFC 4515 (${errorText(error)})`);
  }
  return { ok: true, value: template };
}

/** Text and places take turns. */
const expand = (parts: readonly string[], values: FilterValues): string =>
  parts.map((part, i) => (i % 2 === 0 ? part : escaped(values[part as Placeholder]))).join('');

function escaped(value: string | undefined): string {
  if (value === undefined) throw new TypeError('no value for a place of the filter');
  return escapeFilter`${value}`;
}

/**
 * Other programs forgive spaces between the parts of a filter; a value's own never touch a bare parenthesis on its
 * outside.
 */
const withoutSpaces = (text: string): string => text.replace(/(?<=[()]|\(\s*[&|!])\s+(?=[()&|!])/g, '');

/** In values parentheses are escaped, so those that stand here are the filter's own. */
function depthOf(text: string): number | undefined {
  let depth = 0;
  let deepest = 0;
  for (const [i, c] of [...text].entries()) {
    if (c === '(') deepest = Math.max(deepest, ++depth);
    else if (c === ')') depth--;
    if (depth < 0 || (depth === 0 && i > 0 && i < [...text].length - 1)) return undefined;
  }
  return depth === 0 ? deepest : undefined;
}
