/**
 * The Authentication-Results header field (RFC 8601 §2.2), its body only: the spf= part is written, any is read.
 *
 *     authres-payload = [CFWS] authserv-id [ CFWS authres-version ] ( no-result / 1*resinfo ) [CFWS] CRLF
 *     no-result       = [CFWS] ";" [CFWS] "none"
 *     resinfo         = [CFWS] ";" methodspec [ CFWS reasonspec ] [ CFWS 1*propspec ]
 *     methodspec      = [CFWS] method [CFWS] "=" [CFWS] result
 *     reasonspec      = "reason" [CFWS] "=" [CFWS] value
 *     propspec        = ptype [CFWS] "." [CFWS] property [CFWS] "=" pvalue
 *     pvalue          = [CFWS] ( ( value / [ [ local-part ] "@" ] domain-name ) [CFWS] )
 */
import type { Ip } from '../../mail/ip.js';
import type { SpfOutcome } from '../check-host.js';
import { comment, FieldReader, layOut, maxValue, quotedString, type FieldFormat } from './lexical.js';
import { sentenceOf } from './sentence.js';

export const authenticationResultsName = 'Authentication-Results';

export interface SpfMethodInput {
  readonly clientIp: Ip;
  readonly helo: string;
  /** Write the whole sender address, not only its domain; default false. */
  readonly localPart?: boolean;
  /** Write the result and the identity alone, without a comment and reason=; default false. */
  readonly plain?: boolean;
  /** The mail is SMTPUTF8: a sender that is not ASCII stands as it is (RFC 6532 §3.2); default false. */
  readonly smtpUtf8?: boolean;
}

/** The parts of an `spf=` result, to be laid out by `writeAuthenticationResults`. */
export function spfMethod(outcome: SpfOutcome, input: SpfMethodInput): readonly string[] {
  const parts = [`spf=${outcome.result}`, ...(input.plain === true ? [] : explained(outcome, input.clientIp))];
  // RFC 8601 §2.7.2: the identity that was checked.
  if (outcome.identity === 'helo') parts.push(`smtp.helo=${propertyValue(input.helo)}`);
  else {
    const sender = input.localPart ? outcome.sender : outcome.domain;
    parts.push(`smtp.mailfrom=${propertyValue(sender, input.smtpUtf8)}`);
  }
  return parts;
}

function explained(outcome: SpfOutcome, clientIp: Ip): string[] {
  const sentence = sentenceOf(outcome, clientIp);
  const { problem } = outcome;
  return [
    ...(problem === sentence ? [] : [comment(sentence)]),
    ...(problem === undefined ? [] : [`reason=${quotedString(problem)}`]),
  ];
}

export interface AuthenticationResultsInput {
  readonly authservId: string;
  /** The results of methods, each as its parts; without any, the field says "none". */
  readonly methods: readonly (readonly string[])[];
}

/** The field's body; no octet of the client's or the domain's can end or break it. */
export function writeAuthenticationResults(input: AuthenticationResultsInput, format: FieldFormat = {}): string {
  const methods = input.methods.length === 0 ? [['none']] : input.methods;
  const parts = [`${token.test(input.authservId) ? input.authservId : quotedString(input.authservId)};`];
  for (const method of methods) {
    if (parts.length > 1) parts.push(`${parts.pop()};`);
    parts.push(...method);
  }
  return layOut(authenticationResultsName, parts, format);
}

/** RFC 2045 §5.1 */
const token = /^[A-Za-z0-9!#$%&'*+\-.^_`{|}~]{1,400}$/;
/** A mailbox that needs no quotes. Our choice: only where both sides are tokens too. */
const plainMailbox =
  /^[A-Za-z0-9!#$%&'*+\-^_`{|}~]+(?:\.[A-Za-z0-9!#$%&'*+\-^_`{|}~]+)*@[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*$/;

/** A local-part that is quoted already stands as it is: `pvalue` has a `local-part`, which may be a quoted-string. */
const quotedMailbox = /^"(?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\[\x20-\x7e])*"@[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*$/;

function propertyValue(value: string, utf8 = false): string {
  const isMailbox = value.length <= maxValue && (plainMailbox.test(value) || quotedMailbox.test(value));
  const plain = token.test(value) || isMailbox;
  return plain ? value : quotedString(value, utf8);
}

export interface MethodResult {
  /** In lower case, without its version. */
  readonly method: string;
  /** In lower case. */
  readonly result: string;
  /** It is undefined where none is given. */
  readonly reason: string | undefined;
  readonly properties: readonly MethodProperty[];
}

export interface MethodProperty {
  /** In lower case, such as smtp. */
  readonly ptype: string;
  /** In lower case, such as mailfrom. */
  readonly property: string;
  readonly value: string;
}

export interface AuthenticationResults {
  readonly authservId: string;
  /** Empty where the field says "none". */
  readonly methods: readonly MethodResult[];
}

/**
 * The host whose results a field claims to hold, also where the rest is malformed, so that forgeries in our name can be
 * removed (RFC 8601 §5). Undefined when not even that can be read.
 */
export function authservIdOf(body: string): string | undefined {
  return readAuthservId(new FieldReader(body));
}

function readAuthservId(field: FieldReader): string | undefined {
  return field.skipCfws() === undefined ? undefined : field.value();
}

/** Reads a body, folded or not; undefined when it is malformed. */
export function readAuthenticationResults(body: string): AuthenticationResults | undefined {
  const field = new FieldReader(body);
  const authservId = readAuthservId(field);
  if (authservId === undefined || field.skipCfws() === undefined) return undefined;
  field.match(/\d+/y); // authres-version; RFC 8601 §2.2 defines 1
  if (field.skipCfws() === undefined) return undefined;
  const methods: MethodResult[] = [];
  while (field.match(/;/y) !== undefined) {
    if (field.skipCfws() === undefined) return undefined;
    if (field.atEnd) break; // a final ";" is wrong but common
    const method = readMethod(field);
    if (method === undefined) return undefined;
    if (method !== 'none') methods.push(method);
  }
  return field.atEnd ? { authservId, methods } : undefined;
}

const keyword = /[a-z0-9](?:[a-z0-9_-]*[a-z0-9])?/iy;

function readMethod(field: FieldReader): MethodResult | 'none' | undefined {
  if (field.match(/none(?=[\s(;]|$)/iy) !== undefined) return field.skipCfws() === undefined ? undefined : 'none';
  const method = field.match(keyword)?.toLowerCase();
  if (method === undefined || field.skipCfws() === undefined) return undefined;
  if (field.match(/\//y) !== undefined && (field.skipCfws() === undefined || field.match(/\d+/y) === undefined))
    return undefined;
  const result = readAssigned(field, keyword)?.toLowerCase();
  if (result === undefined) return undefined;
  let reason: string | undefined;
  const properties: MethodProperty[] = [];
  while (!field.atEnd && field.match(/(?=;)/y) === undefined) {
    const name = field.match(keyword)?.toLowerCase();
    if (name === undefined || field.skipCfws() === undefined) return undefined;
    const property = field.match(/\./y) === undefined ? undefined : readPropertyName(field);
    const value = readAssigned(field);
    if (value === undefined) return undefined;
    if (property !== undefined) properties.push({ ptype: name, property, value });
    else if (name === 'reason' && reason === undefined && properties.length === 0) reason = value;
    else return undefined;
  }
  return { method, result, reason, properties };
}

function readPropertyName(field: FieldReader): string | undefined {
  return field.skipCfws() === undefined ? undefined : field.match(keyword)?.toLowerCase();
}

/** `[CFWS] "=" [CFWS] value [CFWS]` */
function readAssigned(field: FieldReader, form?: RegExp): string | undefined {
  if (field.skipCfws() === undefined || field.match(/=/y) === undefined || field.skipCfws() === undefined)
    return undefined;
  const value = form ? field.match(form) : field.value();
  return value === undefined || field.skipCfws() === undefined ? undefined : value;
}
