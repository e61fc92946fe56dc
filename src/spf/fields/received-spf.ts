/**
 * The Received-SPF header field (RFC 7208 §9.1), its body only: written and read.
 *
 *     header-field     = "Received-SPF:" [CFWS] result FWS [comment FWS] [ key-value-list ] CRLF
 *     key-value-list   = key-value-pair *( ";" [CFWS] key-value-pair ) [";"]
 *     key-value-pair   = key [CFWS] "=" ( dot-atom / quoted-string )
 *     key              = "client-ip" / "envelope-from" / "helo" / "problem" / "receiver" / "identity" / "mechanism" /
 *                        name
 */
import type { Ip } from '../../mail/ip.js';
import type { SpfOutcome } from '../check-host.js';
import { comment, FieldReader, fieldText, layOut, maxValue, quotedString, type FieldFormat } from './lexical.js';
import type { SpfResultCode } from '../record.js';
import { sentenceOf } from './sentence.js';

export const receivedSpfName = 'Received-SPF';

export interface ReceivedSpfInput {
  readonly clientIp: Ip;
  readonly helo: string;
  /** This host's name. */
  readonly receiver: string;
  /** Write the whole sender address, not only its domain; default true. */
  readonly localPart?: boolean;
  /** The mail is SMTPUTF8: a sender that is not ASCII stands as it is (RFC 6532 §3.2); default false. */
  readonly smtpUtf8?: boolean;
}

/** The field's body; no octet of the client's or the domain's can end or break it. */
export function writeReceivedSpf(outcome: SpfOutcome, input: ReceivedSpfInput, format: FieldFormat = {}): string {
  const parts: string[] = [outcome.result, comment(`${input.receiver}: ${sentenceOf(outcome, input.clientIp)}`)];
  parts.push(`${pair('client-ip', input.clientIp.text)};`);
  // The sender of a HELO check is made up (postmaster@HELO). It is no envelope sender, so it is not written as one.
  if (outcome.identity !== 'helo') {
    const sender = input.localPart === false ? outcome.domain : outcome.sender;
    parts.push(`${pair('envelope-from', sender, input.smtpUtf8)};`);
  }
  parts.push(`${pair('helo', input.helo)};`, `${pair('receiver', input.receiver)};`);
  let last = pair('identity', outcome.identity);
  const { mechanism, problem } = outcome;
  if (mechanism !== undefined) {
    parts.push(`${last};`);
    last = pair('mechanism', mechanism);
  }
  if (problem !== undefined) {
    parts.push(`${last};`);
    last = pair('problem', problem);
  }
  parts.push(last);
  return layOut(receivedSpfName, parts, format);
}

function pair(key: string, value: string, utf8 = false): string {
  if (value.length <= maxValue && dotAtom.test(value)) return `${key}=${value}`; // nearly all are like that
  const text = fieldText(value, utf8);
  return `${key}=${text !== value && dotAtom.test(text) ? text : quotedString(text, utf8)}`;
}

/** RFC 5322 §3.2.3 */
const dotAtom = /^[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~]+(?:\.[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~]+)*$/;

export interface ReceivedSpf {
  readonly result: SpfResultCode;
  /** '' when there is none. */
  readonly comment: string;
  /** The values by their keys in lower case; where a key is given twice, its first value. */
  readonly values: ReadonlyMap<string, string>;
}

/** Reads a body, folded or not; undefined when it is malformed. */
export function readReceivedSpf(body: string): ReceivedSpf | undefined {
  const field = new FieldReader(body);
  if (field.skipCfws() === undefined) return undefined;
  const result = resultCode(field.match(/[a-z]+(?![^\s(])/iy));
  const text = field.skipCfws();
  const values = readPairs(field);
  return result === undefined || text === undefined || !values ? undefined : { result, comment: text, values };
}

function readPairs(field: FieldReader): Map<string, string> | undefined {
  const values = new Map<string, string>();
  while (!field.atEnd) {
    const key = field.match(/[a-z0-9][a-z0-9._-]*/iy)?.toLowerCase();
    if (key === undefined || field.skipCfws() === undefined || field.match(/=/y) === undefined) return undefined;
    if (field.skipCfws() === undefined) return undefined;
    const value = field.value();
    if (value === undefined || field.skipCfws() === undefined) return undefined;
    if (!values.has(key)) values.set(key, value);
    const more = field.match(/;/y);
    if (field.skipCfws() === undefined || (more === undefined && !field.atEnd)) return undefined;
  }
  return values;
}

const resultCodes: ReadonlySet<string> = new Set<SpfResultCode>([
  'none',
  'neutral',
  'pass',
  'fail',
  'softfail',
  'temperror',
  'permerror',
]);

/** A result in any case (RFC 7208 §9.1 writes it in lower case, older software did not). */
function resultCode(text: string | undefined): SpfResultCode | undefined {
  const lower = text?.toLowerCase();
  return lower !== undefined && resultCodes.has(lower) ? (lower as SpfResultCode) : undefined;
}
