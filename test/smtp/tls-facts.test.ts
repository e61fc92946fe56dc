import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tlsComments, tlsLogText } from '../../src/smtp/tls-facts.js';

const table: readonly [protocol: string, cipher: string, log: string, received: string][] = [
  ['TLSv1.3', 'TLS_AES_256_GCM_SHA384', '1.3 TLS_AES_256_GCM_SHA384', '(256/256 bits)'],
  ['TLSv1.3', 'TLS_CHACHA20_POLY1305_SHA256', '1.3 TLS_CHACHA20_POLY1305_SHA256', '(256/256 bits)'],
  ['TLSv1.3', 'TLS_AES_128_GCM_SHA256', '1.3 TLS_AES_128_GCM_SHA256', '(128/128 bits)'],
  ['TLSv1.2', 'ECDHE-RSA-AES256-GCM-SHA384', '1.2 ECDHE-RSA-AES256-GCM-SHA384', '(256/256 bits)'],
  ['TLSv1.2', 'ECDHE-ECDSA-AES128-SHA256', '1.2 ECDHE-ECDSA-AES128-SHA256', '(128/128 bits)'],
  ['TLSv1.2', 'CAMELLIA256-SHA', '1.2 CAMELLIA256-SHA', '(256/256 bits)'],
  ['TLSv1.2', 'SOMETHING-NEW', '1.2 SOMETHING-NEW', ''],
];

for (const [protocol, cipher, log, bits] of table) {
  test(`${protocol} with ${cipher}, in the log and in Received:`, () => {
    assert.equal(tlsLogText({ protocol, cipher }), log);
    assert.deepEqual(tlsComments({ protocol, cipher }), [
      `(using ${protocol} with cipher ${cipher}${bits === '' ? '' : ` ${bits}`})`,
      '(No client certificate requested)',
    ]);
  });
}
