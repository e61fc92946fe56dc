/**
 * The ESMTP parameters of MAIL and RCPT: SIZE (RFC 1870), BODY (RFC 6152), SMTPUTF8 (RFC 6531), and where DSN is
 * offered RET, ENVID, NOTIFY and ORCPT (RFC 3461). Others are not offered.
 */
import { type Reply, reply } from '../../mail/reply.js';
import { type Result, wrong } from '../../mail/result.js';
import { dsnProblem } from './dsn-parameters.js';

export interface MailParameters {
  readonly smtpUtf8: boolean;
  readonly eightBit: boolean;
  /** Words for the MTA behind, with a space before each; '' for none. */
  readonly dsn: string;
}

type Parameters = ReadonlyMap<string, string | true>;

/** `maxSize` in octets: a message that says it is larger is refused before it is sent. */
export function readMailParameters(
  parameters: Parameters,
  maxSize: number,
  offersDsn = false,
): Result<MailParameters, Reply> {
  if (parameters.size === 0) return noParameters;
  let dsn = '';
  for (const [keyword, value] of parameters) {
    const isDsn = offersDsn && (keyword === 'RET' || keyword === 'ENVID');
    const problem = isDsn ? dsnProblem(keyword, value) : problemOf(keyword, value, maxSize);
    if (problem) return wrong(problem);
    if (isDsn) dsn += ` ${keyword}=${value}`;
  }
  const eightBit = String(parameters.get('BODY')).toUpperCase() === '8BITMIME';
  return { ok: true, value: { smtpUtf8: parameters.has('SMTPUTF8'), eightBit, dsn } };
}

const noParameters = { ok: true, value: { smtpUtf8: false, eightBit: false, dsn: '' } } as const;

/** Words for the MTA behind, as those of MAIL. */
export function readRcptParameters(parameters: Parameters, offersDsn: boolean): Result<string, Reply> {
  let dsn = '';
  for (const [keyword, value] of parameters) {
    const isDsn = offersDsn && (keyword === 'NOTIFY' || keyword === 'ORCPT');
    const problem = isDsn ? dsnProblem(keyword, value) : notOffered(keyword);
    if (problem) return wrong(problem);
    dsn += ` ${keyword}=${value}`;
  }
  return { ok: true, value: dsn };
}

const notOffered = (keyword: string): Reply => reply(555, '5.5.4', `Parameter not supported: ${keyword}`);

function problemOf(keyword: string, value: string | true, maxSize: number): Reply | undefined {
  switch (keyword) {
    case 'SIZE':
      if (value === true || !/^\d{1,20}$/.test(value)) return reply(501, '5.5.4', 'Bad SIZE');
      return Number(value) > maxSize
        ? reply(552, '5.3.4', `Message too large, the limit is ${maxSize} octets`)
        : undefined;
    case 'BODY':
      return /^(?:7BIT|8BITMIME)$/i.test(String(value)) ? undefined : reply(501, '5.5.4', 'Bad BODY: 7BIT or 8BITMIME');
    case 'SMTPUTF8':
      return value === true ? undefined : reply(501, '5.5.4', 'SMTPUTF8 takes no value');
    default:
      return notOffered(keyword);
  }
}
