/**
 * The envelope as command lines for the MTA (RFC 5321 §4.1.1.2, §4.1.1.3; RFC 1870, 6152, 6531), or why it
 * cannot be sent. Addresses come in wire form and go out as they are: nothing here parses them again.
 */
import { reply, type Reply } from '../mail/reply.js';
import { noOffers, type Offers } from './connection/offers.js';

export interface Envelope {
  /** '' is the null reverse-path. */
  readonly reversePath: string;
  readonly recipients: readonly string[];
  readonly smtputf8: boolean;
  readonly eightBit: boolean;
  /** It is left out where the MTA has no DSN. */
  readonly dsn?: RequestedDsn | undefined;
}

/** RET, ENVID, NOTIFY and ORCPT (RFC 3461 §4) as the client said them: words with a space before each. */
export interface RequestedDsn {
  /** '' for none. */
  readonly mail: string;
  /** By recipient in wire form. */
  readonly recipients: ReadonlyMap<string, string>;
}

/**
 * The last line of defence behind the parser of the listener: nothing that could end the path or the line, that
 * is no control character anywhere, and no `<`, `>` or space but inside a quoted string.
 */
export function malformed(envelope: Pick<Envelope, 'reversePath' | 'recipients' | 'dsn'>): Reply | undefined {
  if (!isPath(envelope.reversePath)) return reply(553, '5.1.7', 'Bad reverse-path');
  if (envelope.recipients.length === 0) return reply(554, '5.5.1', 'No recipients');
  const wrong = envelope.recipients.some((recipient) => recipient === '' || !isPath(recipient));
  if (wrong) return reply(553, '5.1.3', 'Bad recipient address');
  const words = envelope.dsn ? [envelope.dsn.mail, ...envelope.dsn.recipients.values()] : [];
  return words.every(areWords) ? undefined : reply(501, '5.5.4', 'Bad parameters');
}

const areWords = (text: string): boolean => /^(?: [A-Z]+=[^\s\p{Cc}]+)*$/u.test(text);

const isPath = (text: string): boolean =>
  /^[!#-;=?-~]*$/.test(text) || (!/\p{Cc}/u.test(text) && /^(?:[^\s"<>]|"(?:[^"\\]|\\.)*")*$/u.test(text));

/**
 * Why an MTA with these offers cannot take the envelope, said without asking it. `size` is of the whole message, our
 * own fields included, in octets.
 */
export function unsendable(envelope: Envelope, size: number, offers: Offers): Reply | undefined {
  if (size > offers.maxSize) return reply(552, '5.3.4', 'Message size exceeds the limit');
  if (!offers.smtputf8 && needsUtf8(envelope)) {
    return reply(553, '5.6.7', 'The local mail server does not take internationalized addresses'); // RFC 6531 §3.5
  }
  return undefined;
}

const needsUtf8 = ({ reversePath, recipients }: Envelope): boolean =>
  isNotAscii(reversePath) || recipients.some(isNotAscii);

const isNotAscii = (address: string): boolean => /[^\x00-\x7f]/.test(address);

export function mailCommand(envelope: Envelope, size: number, offers: Offers): string {
  const sized = offers.size ? ` SIZE=${size}` : '';
  const eightBit = envelope.eightBit && offers.eightBit ? ' BODY=8BITMIME' : '';
  // Also where only header fields need it: the MTA would refuse or damage them otherwise.
  const utf8 = offers.smtputf8 && (envelope.smtputf8 || needsUtf8(envelope)) ? ' SMTPUTF8' : '';
  const dsn = offers.dsn ? (envelope.dsn?.mail ?? '') : '';
  return `MAIL FROM:<${envelope.reversePath}>${sized}${eightBit}${utf8}${dsn}`;
}

/** RFC 6533 §3: an original recipient in UTF-8 is for MTAs with SMTPUTF8. */
export function rcptCommand(recipient: string, dsn?: RequestedDsn, offers = noOffers): string {
  const words = dsn && offers.dsn ? (dsn.recipients.get(recipient) ?? '') : '';
  return `RCPT TO:<${recipient}>${!offers.smtputf8 && isNotAscii(words) ? '' : words}`;
}
