/**
 * What MAIL and RCPT say → a sender, a recipient, or the reply that says why it can be none. Pure; whether it is their
 * turn, and who may be a recipient here, is the session's.
 */
import { type Address, type Path, type PathArgument, needsSmtpUtf8 } from '../../mail/address.js';
import { type Reply, reply } from '../../mail/reply.js';
import { type Result, wrong } from '../../mail/result.js';
import type { Sender } from '../transaction.js';
import { readMailParameters, readRcptParameters } from './mail-parameters.js';

/** `from` is the reverse-path, where there is one. */
interface DeclinedSender {
  readonly answer: Reply;
  readonly from?: string;
}

/** `maxSize` in octets, as for `readMailParameters`. */
export function senderOf(
  argument: Result<PathArgument>,
  maxSize: number,
  offersDsn: boolean,
): Result<Sender, DeclinedSender> {
  if (!argument.ok) return wrong({ answer: badSender(argument.problem) });
  const { path, parameters } = argument.value;
  if (path.kind === 'postmaster') return wrong({ answer: badSender('no domain') });
  const address = addressOf(path);
  const from = address?.text ?? '';
  const asked = readMailParameters(parameters, maxSize, offersDsn);
  if (!asked.ok) return wrong({ answer: asked.problem, from });
  const { smtpUtf8, eightBit, dsn } = asked.value;
  if (address && needsSmtpUtf8(address) && !smtpUtf8)
    return wrong({ answer: reply(553, '5.6.7', 'Non-ASCII sender address without SMTPUTF8'), from });
  const words = wordsOf(parameters);
  return {
    ok: true,
    value: { reversePath: from, domain: address?.domain ?? '', smtpUtf8, eightBit, dsn, parameters: words },
  };
}

const badSender = (problem: string): Reply => reply(501, '5.1.7', `Bad sender address: ${problem}`);

/** undefined for the null reverse-path and the domainless postmaster. */
export const addressOf = (path: Path): Address | undefined => (path.kind === 'mailbox' ? path.address : undefined);

interface AskedRecipient {
  /** undefined for the domainless postmaster. */
  readonly address: Address | undefined;
  /** The ESMTP words, as given; undefined where there are none. */
  readonly parameters: readonly string[] | undefined;
  /** Those of them that are for the MTA behind, with a space before each. */
  readonly dsn: string;
}

export function recipientOf(
  { path, parameters }: PathArgument,
  smtpUtf8: boolean,
  offersDsn: boolean,
): Result<AskedRecipient, Reply> {
  const address = addressOf(path);
  const asked = readRcptParameters(parameters, offersDsn);
  if (!asked.ok) return asked;
  const dsn = asked.value;
  if (path.kind === 'null') return wrong(reply(501, '5.1.3', 'Bad recipient address: empty'));
  const needsUtf8 = (address !== undefined && needsSmtpUtf8(address)) || /[^\x00-\x7f]/.test(dsn);
  if (needsUtf8 && !smtpUtf8) return wrong(reply(553, '5.6.7', 'Non-ASCII recipient address without SMTPUTF8'));
  return { ok: true, value: { address, parameters: wordsOf(parameters), dsn } };
}

function wordsOf(parameters: PathArgument['parameters']): readonly string[] | undefined {
  if (parameters.size === 0) return undefined;
  return [...parameters].map(([keyword, value]) => (value === true ? keyword : `${keyword}=${value}`));
}
