/** The ESMTP parameters of MAIL: SIZE (RFC 1870), BODY (RFC 6152), SMTPUTF8 (RFC 6531). Others are not offered. */
import { type Reply, reply } from '../../mail/reply.js';
import { type Result, wrong } from '../../mail/result.js';

export interface MailParameters {
  readonly smtpUtf8: boolean;
  readonly eightBit: boolean;
}

/** `maxSize` in octets: a message that says it is larger is refused before it is sent. */
export function readMailParameters(
  parameters: ReadonlyMap<string, string | true>,
  maxSize: number,
): Result<MailParameters, Reply> {
  for (const [keyword, value] of parameters) {
    const problem = problemOf(keyword, value, maxSize);
    if (problem) return wrong(problem);
  }
  const eightBit = String(parameters.get('BODY')).toUpperCase() === '8BITMIME';
  return { ok: true, value: { smtpUtf8: parameters.has('SMTPUTF8'), eightBit } };
}

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
      return reply(555, '5.5.4', `Parameter not supported: ${keyword}`);
  }
}
