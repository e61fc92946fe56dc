/**
 * Asks an MTA who it is, what it offers and whom it takes, without a mail: MAIL, a RCPT for each recipient, RSET. For
 * whoever looks at a configuration; a recipient that a client names is asked about by probe.ts.
 */
import { errorText } from '../../mail/error-text.js';
import { type Result, wrong } from '../../mail/result.js';
import { Deadlines } from '../deadline.js';
import { rcptCommand } from '../envelope.js';
import type { MtaConnection } from '../connection/mta-connection.js';
import { openConnection, type OpeningOptions } from '../connection/opening.js';
import { mtaReplyText, type MtaReply } from '../connection/mta-reply.js';

/** `timeoutMs` is for all of it together. */
export interface InterviewOptions extends OpeningOptions {
  /** In wire form, without brackets. */
  readonly recipients: readonly string[];
}

export interface Interview {
  /** What stood behind the 220: printable ASCII, like the text of the answers. */
  readonly greeting: string;
  readonly extensions: ReadonlyMap<string, string>;
  /** One for each recipient, in order. */
  readonly answers: readonly MtaReply[];
}

/** Never rejects. */
export async function interview(options: InterviewOptions): Promise<Result<Interview>> {
  const deadline = new Deadlines(options.timeoutMs).begin();
  let connection: MtaConnection | undefined;
  try {
    connection = await openConnection(options, (made) => deadline.watch(made));
    const { greeting, offers } = connection;
    const answers = await askFor(connection, options.recipients);
    return { ok: true, value: { greeting, extensions: offers.extensions, answers } };
  } catch (error) {
    return wrong(errorText(error));
  } finally {
    deadline.done();
    if (connection?.alive === true) await connection.quit();
  }
}

async function askFor(connection: MtaConnection, recipients: readonly string[]): Promise<readonly MtaReply[]> {
  if (recipients.length === 0) return [];
  const mail = await connection.ask('MAIL FROM:<>'); // RFC 5321 §4.5.5: whoever takes mail takes this
  if (mail.code !== 250) throw connection.drop(`MAIL FROM:<> was answered ${mtaReplyText(mail)}`);
  const answers: MtaReply[] = [];
  for (const recipient of recipients) answers.push(await connection.ask(rcptCommand(recipient)));
  await connection.ask('RSET');
  return answers;
}
