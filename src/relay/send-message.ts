/**
 * The message on its way over a connection that waits for it (354): dot-stuffed, as fast as the MTA reads, and the
 * answer to its end. What the answer means is transaction.ts's business.
 */
import { DotStuffer } from './dot-stuffing.js';
import { ConnectionLost, type MtaConnection } from './connection/mta-connection.js';
import { mtaReplyText, type MtaReply } from './connection/mta-reply.js';

/**
 * Parts in memory go out in one write; others as they come. Resolves with the one reply; rejects with ConnectionLost,
 * or with what reading the parts threw.
 */
export function sendMessage(
  connection: MtaConnection,
  parts: readonly Buffer[] | AsyncIterable<Buffer>,
): Promise<readonly MtaReply[]> {
  const replies = connection.expect(1);
  if (Symbol.asyncIterator in parts) return sendInPieces(connection, parts, replies);
  const stuffer = new DotStuffer();
  const octets = parts.map((part) => stuffer.stuff(part));
  octets.push(stuffer.end());
  connection.write(octets);
  return replies;
}

type Replies = Promise<readonly MtaReply[]>;

async function sendInPieces(
  connection: MtaConnection,
  parts: AsyncIterable<Buffer>,
  replies: Replies,
): Promise<readonly MtaReply[]> {
  let answered = false;
  const settle = (): void => void (answered = true);
  replies.then(settle, settle);
  const stuffer = new DotStuffer();
  for await (const part of parts) {
    if (answered) break;
    if (!connection.write([stuffer.stuff(part)])) await connection.drained();
  }
  if (answered) return [tooEarly(connection, await replies)];
  connection.write([stuffer.end()]);
  return replies;
}

/**
 * A refusal in the middle of the message counts, success does not; the connection expects the rest, which will not
 * come.
 */
function tooEarly(connection: MtaConnection, [answer]: readonly MtaReply[]): MtaReply {
  if (!answer) throw new ConnectionLost('no reply');
  const lost = connection.drop(`the MTA answered before the end of data: ${mtaReplyText(answer)}`);
  if (answer.code < 400) throw lost;
  return answer;
}
