/**
 * The trace as a header field's value, X-SPF-TRACE: a line of the field for a line of the tree, in ASCII, so that any
 * mail reader shows why SPF said what it said. The domain's records are a stranger's text: it is cut where it is
 * long.
 */
import type { Header } from '../../mail/header.js';
import { asciiText } from '../../mail/text.js';
import { plainText } from '../../text/line.js';
import type { SpfOutcome } from '../check-host.js';
import { traceLines } from '../trace/tree.js';

export const spfTraceName = 'X-SPF-TRACE';

/** The columns for which the tree is drawn; a line that needs more may have up to `maxWidth`. */
const width = 160;
const maxWidth = 400;
const maxLines = 100;

/** Folded by CRLF and a tab; '' where no trace was collected. */
export function writeSpfTrace(outcome: SpfOutcome): string {
  const lines = traceLines(outcome, width).map((line) => asciiText(inAscii(plainText(line)), maxWidth));
  const more = lines.length - maxLines;
  return [...lines.slice(0, maxLines), ...(more > 0 ? [`... ${more} lines more`] : [])].join('\r\n\t');
}

/** The lines of the field in an archived mail, without their folding; none where SPF was not asked. */
export function readSpfTrace(header: Header): readonly string[] {
  const field = header.fields.find(({ name }) => name === spfTraceName.toLowerCase());
  if (!field) return [];
  const [first = '', ...more] = field.raw
    .toString('latin1')
    .replace(/\r?\n$/, '')
    .split(/\r?\n/);
  return [first.slice(first.indexOf(':') + 1).trim(), ...more.map((line) => line.replace(/^\t/, ''))];
}

const ascii: Readonly<Record<string, string>> = { '├─': '|-', '└─': '`-', '│': '|', '→': '->', '…': '...' };

const inAscii = (text: string): string => text.replace(/[├└]─|[│→…]/g, (drawn) => ascii[drawn] ?? drawn);
