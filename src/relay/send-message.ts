/**
 * The message on its way over a connection that waits for it (354): dot-stuffed, as fast as the MTA reads, and the
 * answer to its end. What the answer means is transaction.ts's business.
 */
import { DotStuffer } from './dot-stuffing.js';
import type { ReplyTaker, MtaConnection } from './connection/mta-connection.js';
import { mtaReplyText, type MtaReply } from './connection/mta-reply.js';

/** What is in memory, in one write. */
export function sendMessage(
  connection: MtaConnection,
  { head, parts, isDotless }: { readonly head: Buffer; readonly parts: readonly Buffer[]; readonly isDotless: boolean },
  taker: ReplyTaker,
): void {
  const stuffer = new DotStuffer();
  const octets = [stuffer.stuff(head)];
  for (const part of parts) octets.push(isDotless ? stuffer.pass(part) : stuffer.stuff(part));
  octets.push(stuffer.end());
  connection.expect(1, taker);
  connection.write(octets);
}

/** As it comes. Rejects with ConnectionLost, or with what reading the parts threw. */
export async function sendInPieces(
  connection: MtaConnection,
  { head, parts }: { readonly head: Buffer; readonly parts: AsyncIterable<Buffer> },
): Promise<readonly MtaReply[]> {
  const reply = connection.reply();
  let answered = false;
  const settle = (): void => void (answered = true);
  reply.then(settle, settle);
  const stuffer = new DotStuffer();
  connection.write([stuffer.stuff(head)]);
  for await (const part of parts) {
    if (answered) break;
    if (!connection.write([stuffer.stuff(part)])) await connection.drained();
  }
  if (answered) return [tooEarly(connection, await reply)];
  connection.write([stuffer.end()]);
  return [await reply];
}

/**
 * A refusal in the middle of the message counts, success does not; the connection expects the rest, which will not
 * come.
 */
export function tooEarly(connection: MtaConnection, answer: MtaReply): MtaReply {
  const lost = connection.drop(`the MTA answered before the end of data: ${mtaReplyText(answer)}`);
  if (answer.code < 400) throw lost;
  return answer;
}
