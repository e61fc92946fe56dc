/**
 * SPF_REGEX: what a record must say to permit us. Records are written by strangers, so the engine is one whose time
 * grows with the length of the text and not by more (RE2): no record can stop the milter.
 */
import { RE2JS } from 're2js';
import { errorText } from '../../mail/error-text.js';
import type { Result } from '../../mail/result.js';

export interface RecordPattern {
  readonly text: string;
  /** Does the expression match the record from its start, without case? */
  matches(record: string): boolean;
}

/** Instructions of the compiled expression: the time for a record is at most this times its length. */
const maxProgramSize = 5000;

/** Reads an expression as Python's `re` has it, but for look-around and back-references, which need unbounded time. */
export function parsePattern(text: string): Result<RecordPattern> {
  try {
    const compiled = RE2JS.compile(asRe2(text), RE2JS.CASE_INSENSITIVE);
    if (compiled.programSize() > maxProgramSize) return { ok: false, problem: 'is too large: it repeats too much' };
    const fits = (form: string): boolean => compiled.matcher(form).lookingAt();
    // sos-milter saw records with the quotes of a zone file around them: an expression may count on these.
    return { ok: true, value: { text, matches: (record) => fits(record) || fits(`"${record}"`) } };
  } catch (error) {
    const why = errorText(error)
      .replace(/^error parsing regexp: /, '')
      .replace('(?i)', '');
    const hint = /\(\?<?[=!]|\\[1-9]/.test(text) ? '; look-around and back-references are not to be had' : '';
    return { ok: false, problem: `is no regular expression by RE2's syntax: ${why}${hint}` };
  }
}

/** Python writes the end of the text `\Z`, RE2 `\z`. */
const asRe2 = (text: string): string => text.replace(/(\\[^Z])|\\Z/g, (_, other?: string) => other ?? String.raw`\z`);
