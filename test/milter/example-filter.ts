/**
 * A second filter, to show how little one needs: refuses mail to too many recipients, and counts them in a field.
 *
 *     await new MilterServer(recipientLimit(100)).listen({ kind: 'unix', path: '/run/recipient-limit.sock' });
 */
import { type MilterPolicy, insertHeader, proceed, replyWith } from '../../src/milter/policy.js';

/** What is kept of a message; it is made at MAIL and gone with its end. */
interface Message {
  recipients: number;
}

export const recipientLimit = (limit: number): MilterPolicy<undefined, Message> => ({
  edits: ['insert-header'],
  newTransaction: () => ({ recipients: 0 }),
  rcpt: ({ state }) =>
    ++state.recipients > limit ? replyWith(452, '4.5.3', 'Too many recipients, send to the others later') : proceed,
  eom: ({ state }) => ({
    kind: 'accept',
    edits: [insertHeader('X-Recipients', `${Math.min(state.recipients, limit)}`)],
  }),
});
