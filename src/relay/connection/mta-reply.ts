/**
 * Replies of the local MTA (RFC 5321 §4.2, RFC 2034): octets as they came into values, and a refusal into our own
 * reply. What a reply means for the mail is transaction.ts's business. The MTA's text is as untrusted as a client's.
 */
import { reply, type Reply } from '../../mail/reply.js';
import { asciiText } from '../../mail/text.js';

export interface MtaReply {
  readonly code: number;
  /** RFC 3463; '' when the MTA sent none, or one of another class than its code. */
  readonly enhanced: string;
  /** Printable ASCII, one line, without the codes. */
  readonly text: string;
  /** What stood behind the codes, line by line, as it came: EHLO keywords. */
  readonly lines: readonly string[];
}

/** `raw` is one whole reply, its lines separated by LF; undefined when it is none. */
export function parseMtaReply(raw: string): MtaReply | undefined {
  const [, code, given = ''] = opening.exec(raw) ?? [];
  if (code === undefined) return undefined;
  // RFC 3463 §2; its class must be the code's (RFC 2034 §4).
  const enhanced = given.startsWith(code.charAt(0)) ? given : '';
  if (!raw.includes('\n')) {
    const line = raw.slice(4);
    return { code: Number(code), enhanced, text: asciiText(line.slice(enhanced.length).trim()), lines: [line] };
  }
  const lines = raw.split('\n').map(withoutCode);
  const texts = lines.map((line) =>
    (enhanced !== '' && line.startsWith(enhanced) ? line.slice(enhanced.length) : line).trim(),
  );
  return { code: Number(code), enhanced, text: asciiText(texts.join(' ')), lines };
}

/** The code of a reply, and the enhanced one behind it. */
const opening = /^([2-5]\d\d)(?:[ -]([245]\.\d{1,3}\.\d{1,3})(?!\S)|[ -]|$)/;

const withoutCode = (line: string): string => line.replace(/^\d{3}[ -]?/, '');

/**
 * The MTA's 4xx or 5xx as our own, undefined when it agreed (2xx). Its 421 closes its connection, not the client's
 * (RFC 5321 §3.8), so that becomes 451; and what is neither yes nor no, or was never said, is no yes. `enhanced` is
 * the code of a 5xx that has none of its own (RFC 3463).
 */
export function refusal(answer: MtaReply | undefined, enhanced = '5.0.0'): Reply | undefined {
  if (!answer || (answer.code >= 300 && answer.code < 400))
    return reply(451, '4.5.0', 'Unexpected reply of the local mail server');
  if (answer.code < 300) return undefined;
  const code = answer.code === 421 ? 451 : answer.code;
  const ours = code < 500 ? '4.0.0' : enhanced;
  return reply(code, answer.enhanced || ours, answer.text || 'Refused by the local mail server');
}

/** For log lines: `550 5.1.1 text`. */
export const mtaReplyText = (answer: MtaReply): string =>
  [answer.code, answer.enhanced, answer.text].filter((part) => part !== '').join(' ');

/** Keywords in upper case with their parameters ('' for none), from the reply to EHLO (RFC 5321 §4.1.1.1). */
export function ehloExtensions(answer: MtaReply): ReadonlyMap<string, string> {
  const keywords = answer.lines.slice(1).map((line) => /^([A-Za-z0-9][A-Za-z0-9-]*)(?:[ =](.*))?$/.exec(line.trim()));
  return new Map(keywords.flatMap((found) => (found?.[1] ? [[found[1].toUpperCase(), found[2] ?? '']] : [])));
}
