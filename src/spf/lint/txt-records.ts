/** The TXT records of a name as they are published: how long they are, and those that were meant to be SPF. */
import type { Findings } from './finding.js';
import { isSpfRecord } from '../parse.js';

export interface TextsPlace {
  /** Undefined when it is not known. */
  readonly domain: string | undefined;
  /** Were the records read from DNS, or are they about to be published? */
  readonly isPublished: boolean;
}

/** RFC 1035 §3.3: a length octet stands before each string. */
const maxString = 255;
/** RFC 7208 §3.4: name and texts below 450 octets fit into 512 octets of UDP. */
const fittingOctets = 450;

/** `records`: all TXT records of the name, each as its strings. */
export function lintTexts(
  records: readonly (readonly string[])[],
  { domain, isPublished }: TextsPlace,
  findings: Findings,
): void {
  for (const strings of records) {
    const text = strings.join('');
    const longest = Math.max(0, ...strings.map(({ length }) => length));
    if (isPublished && !isSpfRecord(text) && meantAsSpf.test(text)) {
      findings.warning(`the TXT record "${start(text)}" does not begin with "v=spf1" and is ignored`, {
        section: '4.5',
      });
    } else if (longest > maxString) {
      const wanted = Math.ceil(text.length / maxString);
      const problem = `a string of ${longest} octets; one holds ${maxString}: publish the record as ${wanted} strings`;
      findings.warning(problem, { section: '3.3' });
    }
  }
  const octets = (domain?.length ?? 0) + records.flat().reduce((sum, { length }) => sum + length, 0);
  if (octets <= fittingOctets || !records.some((strings) => isSpfRecord(strings.join('')))) return;
  const what = isPublished ? 'all TXT records of the name' : 'the record';
  const problem = `${what} take ${octets} octets; above ${fittingOctets} an answer may not fit into a UDP packet`;
  findings.warning(isPublished ? problem : problem.replace('take', 'takes'), { section: '3.4' });
}

/** Quotes or spaces before it, another version, a word too much: close enough to be a slip. */
const meantAsSpf = /^["'\s]*v\s*=\s*spf1?/i;

const start = (text: string): string => (text.length > 40 ? `${text.slice(0, 39)}…` : text);
