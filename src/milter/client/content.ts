/** A message as a filter is shown it: DATA, the header and the body, as far as the filter wants to see them. */
import { type Eventual, after } from '../../mail/eventual.js';
import type { MessageSource } from '../../mail/message.js';
import type { HeaderField } from '../policy.js';
import type { FilterSaid } from './answer.js';
import { type FilterMacros, commands, encodeHeader, maxChunk } from './commands.js';
import type { FilterConversation } from './conversation.js';

/** Fields and body as they are when the filter sees them; asked for where it wants to. */
export interface FilteredMessage {
  /** In order; the value is all that stands behind the colon, its lines end in LF, octets as latin1. */
  readonly fields: () => readonly HeaderField[];
  readonly body: () => MessageSource;
}

/** DATA, header and body; what the filter says where it wants to see no more. */
export function sayContent(
  conversation: FilterConversation,
  { fields, body }: FilteredMessage,
  macros: readonly FilterMacros[],
): Eventual<FilterSaid | undefined> {
  conversation.tell('data', ...macros);
  return unless(
    conversation.ask('data', () => commands.data),
    () =>
      after(conversation.wants('header') ? sayHeader(conversation, fields()) : undefined, (early) => {
        if (early) return early;
        conversation.tell('eoh', ...macros);
        return unless(
          conversation.ask('eoh', () => commands.eoh),
          () => (conversation.wants('body') ? sayBody(conversation, body()) : undefined),
        );
      }),
  );
}

/** What it says, unless it wants to see more: then what comes of that. */
const unless = (
  said: Eventual<FilterSaid>,
  more: () => Eventual<FilterSaid | undefined>,
): Eventual<FilterSaid | undefined> =>
  after(said, (answer) => (answer.kind === 'continue' || answer.kind === 'skip' ? more() : answer));

async function sayHeader(
  conversation: FilterConversation,
  fields: readonly HeaderField[],
): Promise<FilterSaid | undefined> {
  for (const { name, value } of fields) {
    const shown = conversation.leadingSpace ? value : value.replace(/^ /, '');
    const answer = conversation.ask('header', () => encodeHeader(name, shown));
    const said = answer instanceof Promise ? await answer : answer;
    if (said.kind === 'skip') return undefined;
    if (said.kind !== 'continue') return said;
  }
  return undefined;
}

async function sayBody(conversation: FilterConversation, body: MessageSource): Promise<FilterSaid | undefined> {
  for await (const piece of pieces(body)) {
    const said = await conversation.askPiece(piece);
    if (said.kind === 'skip') return undefined;
    if (said.kind !== 'continue') return said;
  }
  return undefined;
}

/** Pieces as large as a filter takes them. */
async function* pieces(body: MessageSource): AsyncIterable<Buffer> {
  let held: Buffer[] = [];
  let octets = 0;
  for await (const part of body.parts()) {
    for (let at = 0; at < part.length;) {
      const piece = part.subarray(at, at + maxChunk - octets);
      at += piece.length;
      octets += piece.length;
      held.push(piece);
      if (octets < maxChunk) continue;
      yield held.length === 1 ? piece : Buffer.concat(held);
      held = [];
      octets = 0;
    }
  }
  if (octets > 0) yield Buffer.concat(held);
}
