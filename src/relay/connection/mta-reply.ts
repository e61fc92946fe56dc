/**
 * Replies of the local MTA (RFC 5321 §4.2, RFC 2034): octets as they came into values, and a refusal into our own
 * reply. What a reply means for the mail is transaction.ts's business. The MTA's text is as untrusted as a client's.
 */
import { reply, type Reply } from '../../mail/reply.js';
import { asciiText } from '../../mail/text.js';

/** One whole reply. Most are read for their code alone. */
export class MtaReply {
  readonly code: number;
  readonly #raw: string;

  /** `raw`: its lines, separated by LF. */
  constructor(code: number, raw: string) {
    this.code = code;
    this.#raw = raw;
  }

  /** RFC 3463 §2; '' when the MTA sent none, or one of another class than its code (RFC 2034 §4). */
  get enhanced(): string {
    const given = enhancedCode.exec(this.#raw)?.[1] ?? '';
    return given.startsWith(this.#raw.charAt(0)) ? given : '';
  }

  /** Printable ASCII, one line, without the codes. */
  get text(): string {
    const { enhanced } = this;
    const texts = this.lines.map((line) => (line.startsWith(enhanced) ? line.slice(enhanced.length) : line).trim());
    return asciiText(texts.join(' '));
  }

  /** What stands behind the codes, line by line, as it came: EHLO keywords. */
  get lines(): readonly string[] {
    const raw = this.#raw;
    return raw.includes('\n') ? raw.split('\n').map((line) => line.replace(/^\d{3}[ -]?/, '')) : [raw.slice(4)];
  }
}

const enhancedCode = /^\d{3}[ -]([245]\.\d{1,3}\.\d{1,3})(?!\S)/;

/** `raw` is what may be one whole reply; undefined when it is none. */
export function parseMtaReply(raw: string): MtaReply | undefined {
  const code = digit(raw, 0) * 100 + digit(raw, 1) * 10 + digit(raw, 2);
  const behind = raw.charCodeAt(3);
  const isReply = code >= 200 && code < 600 && (behind === space || behind === hyphen || raw.length === 3);
  return isReply ? new MtaReply(code, raw) : undefined;
}

const space = 0x20;
const hyphen = 0x2d;

function digit(text: string, at: number): number {
  const value = text.charCodeAt(at) - 0x30;
  return value >= 0 && value <= 9 ? value : NaN;
}

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
