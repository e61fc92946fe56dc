/** Texts of fields that are remembered from mail to mail are those of their own mail. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AuthenticationResult } from '../../src/hooks/plugin.js';
import { parseIp } from '../../src/mail/ip.js';
import { clientFields, traceFields } from '../../src/smtp/disposing/trace-fields.js';

const client = clientFields({
  hostname: 'mx.example',
  tls: undefined,
  helo: 'client.example',
  ip: parseIp('192.0.2.1') ?? assert.fail(),
  name: { kind: 'none' },
});

/** The fields of a mail, unfolded, of which one is Authentication-Results. */
function resultsField(authentication: readonly AuthenticationResult[]): string | undefined {
  const octets = traceFields(client, {
    id: 'ID',
    time: 0,
    protocol: 'ESMTP',
    reversePath: '',
    domain: '',
    added: [],
    authservId: 'mx.example',
    authentication,
    recipient: undefined,
    rejection: undefined,
    dsn: undefined,
  });
  return /^Authentication-Results: .*$/m.exec(octets.toString().replaceAll('\r\n\t', ' '))?.[0];
}

const results: readonly (readonly [field: string, authentication: readonly AuthenticationResult[]])[] = [
  [
    'spf=pass smtp.mailfrom=a dkim=pass header.d=b',
    [{ method: 'spf', result: 'pass', details: ['smtp.mailfrom=a', 'dkim=pass', 'header.d=b'] }],
  ],
  [
    'spf=pass smtp.mailfrom=a; dkim=pass header.d=b',
    [
      { method: 'spf', result: 'pass', details: ['smtp.mailfrom=a'] },
      { method: 'dkim', result: 'pass', details: ['header.d=b'] },
    ],
  ],
  [
    `spf=pass${' policy.x=y'.repeat(200)}`,
    [{ method: 'spf', result: 'pass', details: Array.from({ length: 200 }, () => 'policy.x=y') }],
  ],
];

test('results that read alike are not taken for each other', () => {
  for (let again = 0; again < 2; again++)
    for (const [field, authentication] of results)
      assert.equal(resultsField(authentication), `Authentication-Results: mx.example; ${field}`);
});
