/** The TLS certificate on disk: read at start, on HUP, and when its files change (certbot renews behind links). */
import { X509Certificate } from 'node:crypto';
import { readFileSync, unwatchFile, watchFile } from 'node:fs';
import { createSecureContext } from 'node:tls';
import type { Settings } from '../../settings/settings.js';
import type { Certificate } from '../../smtp/server.js';
import type { Result } from '../../mail/result.js';

export type ReadCertificate = Result<Certificate | undefined>;

/** `undefined` where none is set. A pair that does not fit together is a problem. */
export function readCertificate({ tls_cert, tls_key }: Settings): ReadCertificate {
  if (tls_cert === '') return { ok: true, value: undefined };
  try {
    const certificate = { cert: readFileSync(tls_cert), key: readFileSync(tls_key) };
    createSecureContext(certificate);
    return { ok: true, value: certificate };
  } catch (error) {
    const { message } = error as Error;
    const why = /key (?:values|type) mismatch/i.test(message)
      ? 'this is not the key of that certificate; name the two that were issued together, as fullchain.pem and privkey.pem'
      : `${message}; a PEM certificate chain and its key are needed`;
    return { ok: false, problem: `tls_cert = ${tls_cert}, tls_key = ${tls_key}: ${why}` };
  }
}

/** Its last second, in seconds since 1970; NaN where it cannot be told. `cert` is PEM, the first of a chain counts. */
export const certificateEnd = (cert: Buffer): number => Date.parse(new X509Certificate(cert).validTo) / 1000;

const intervalMs = 5000;

/** Calls back when either file changes; returns what ends the watch. */
export function watchCertificate({ tls_cert, tls_key }: Settings, changed: () => void): () => void {
  const files = tls_cert === '' ? [] : [tls_cert, tls_key];
  for (const file of files) watchFile(file, { interval: intervalMs, persistent: false }, changed);
  return () => {
    for (const file of files) unwatchFile(file, changed);
  };
}
