/**
 * The explanation a domain publishes for a fail (RFC 7208 §6.2): someone else's words, which are about to
 * enter an SMTP reply, a header field and a log (RFC 7208 §11.5).
 */
import { parseMacroString, type MacroString } from './macro.js';

/** Our choice: the RFC sets no limit; this is four full strings of a TXT record. */
const maxExplanation = 1020;
/** Our choice, too: a longer template is as one with a syntax error. Each of its macros may stand for a whole name. */
const maxTemplate = 4096;

/**
 * The template in the answer to the look-up of an `exp` target. Undefined when it may not be used: "if more
 * than one record is returned, or if there are syntax errors in the explanation string, then proceed
 * as if no "exp" modifier was given". Non-ASCII text is such an error.
 */
export function explainStringIn(records: readonly (readonly string[])[]): MacroString | undefined {
  const [strings] = records;
  if (records.length !== 1 || !strings) return undefined;
  const template = strings.join('');
  if (template.length > maxTemplate) return undefined;
  const parsed = parseMacroString(template, 'explanation');
  return 'kind' in parsed ? undefined : parsed;
}

/**
 * An expanded explanation with nothing in it but printable US-ASCII: macros bring octets of the client's
 * into it, and one that could end a line or colour a terminal becomes "?". Undefined when nothing is left.
 */
export function sanitiseExplanation(expanded: string): string | undefined {
  const text = expanded.slice(0, maxExplanation).replace(/[^\x20-\x7e]/g, '?');
  return text === '' ? undefined : text;
}
