/** What a filter's answer says of a mail. What that does to the mail is the plugin's. */
import { type Reply, reply } from '../../mail/reply.js';
import type { Edit } from '../policy.js';
import type { FilterReply, FilterSaid } from './answer.js';

export type FilterVerdict =
  /** `edits` are the filter's own, in order; none before the end of the message. */
  | { readonly kind: 'go on'; readonly edits: readonly Edit[] }
  /** `text` has a line each. */
  | {
      readonly kind: 'reject';
      readonly enhanced: string;
      readonly text: readonly string[];
      readonly edits: readonly Edit[];
    }
  /** The reply is a 4xx; it closes the connection where the filter wants that. */
  | { readonly kind: 'defer'; readonly reply: Reply }
  | { readonly kind: 'discard'; readonly edits: readonly Edit[] }
  /** It cannot be asked, or makes no sense. */
  | { readonly kind: 'down'; readonly problem: string };

export const goOn: FilterVerdict = { kind: 'go on', edits: [] };

/** `name` is the filter's, as the operator calls it. */
export function verdictOf(said: FilterSaid, edits: readonly Edit[], name: string): FilterVerdict {
  switch (said.kind) {
    case 'continue':
    case 'skip':
    case 'accept':
      return edits.length === 0 ? goOn : { kind: 'go on', edits };
    case 'discard':
      return { kind: 'discard', edits };
    case 'reject':
      return { kind: 'reject', enhanced: '5.7.1', text: [refusal(name)], edits };
    case 'tempfail':
      return { kind: 'defer', reply: reply(451, '4.7.1', 'Try again later') };
    case 'shutdown':
      return { kind: 'defer', reply: reply(421, '4.7.0', 'Try again later, closing connection') };
    case 'reply':
      return inItsWords(said, edits, name);
  }
}

const refusal = (name: string): string => `Refused by ${name}`;

function inItsWords({ code, enhanced, lines }: FilterReply, edits: readonly Edit[], name: string): FilterVerdict {
  const [first = code < 500 ? 'Try again later' : refusal(name), ...further] = lines;
  if (code >= 500) return { kind: 'reject', enhanced: enhanced || '5.7.1', text: [first, ...further], edits };
  const said = reply(code, enhanced || '4.7.1', first);
  return { kind: 'defer', reply: further.length === 0 ? said : { ...said, further } };
}
