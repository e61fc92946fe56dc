/** Judges one mail against zone data in the suite's form, in the words of a test table. */
import assert from 'node:assert/strict';
import { parseIp } from '../../../src/mail/ip.js';
import { zoneResolver } from '../../../src/dns/zone.js';
import { checkHost, type SpfOptions, type SpfOutcome } from '../../../src/spf/check-host.js';

export interface Mail {
  /** Default 192.0.2.1. */
  readonly ip?: string;
  /** Default mail.example.net. */
  readonly helo?: string;
  /** Default user@example.org. */
  readonly from?: string;
}

/** The outcome; it is a value at once, since a zone resolver never makes one wait. */
export function judge(zone: unknown, mail: Mail = {}, options: Omit<SpfOptions, 'resolver'> = {}): SpfOutcome {
  const ip = parseIp(mail.ip ?? '192.0.2.1');
  assert.ok(ip, `${mail.ip} is no address`);
  const query = { ip, helo: mail.helo ?? 'mail.example.net', from: mail.from ?? 'user@example.org' };
  const outcome = checkHost(query, { resolver: zoneResolver(zone), ...options });
  assert.ok(!(outcome instanceof Promise), 'a promise although every answer was known');
  return outcome;
}

/** Zone data with one record for example.org, besides others. */
export const record = (text: string, others: Record<string, unknown> = {}): Record<string, unknown> => ({
  'example.org': [{ TXT: text }],
  ...others,
});
