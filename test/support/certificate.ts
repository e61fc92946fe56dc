/**
 * Self-signed certificates for tests, made on the spot (X.509 v3 in DER, RFC 5280 §4.1; ECDSA with SHA-256 on P-256):
 * no private key lies in the repository, and no program beside Node is needed.
 */
import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import type { Certificate } from '../../src/smtp/server.js';

export interface CertificateOptions {
  /** Milliseconds from now on; a day where it is not given. */
  readonly endsIn?: number;
  /** Names beside its own (RFC 5280 §4.2.1.6); without any it has a common name alone. */
  readonly alsoFor?: readonly string[];
  /** Who signs it: its name, and its key in PEM. */
  readonly by?: { readonly name: string; readonly key: Buffer };
}

/** A certificate for a host name, good from an hour ago for a day, and its key, both PEM. */
export function makeCertificate(
  hostName: string,
  { endsIn = dayMs, alsoFor, by }: CertificateOptions = {},
): Certificate {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const algorithm = sequence(oid('2a8648ce3d040302')); // ecdsa-with-SHA256
  const name = nameOf(hostName);
  const hourMs = 3_600_000;
  const end = Date.now() + endsIn;
  const toBeSigned = sequence(
    value(0xa0, integer(Buffer.from([2]))), // v3
    integer(Buffer.concat([Buffer.from([0x40]), randomBytes(8)])),
    algorithm,
    by ? nameOf(by.name) : name,
    sequence(utcTime(Math.min(Date.now(), end) - hourMs), utcTime(end)),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    ...(alsoFor === undefined ? [] : [value(0xa3, sequence(subjectAltName([hostName, ...alsoFor])))]),
  );
  const signature = sign('sha256', toBeSigned, by?.key ?? privateKey);
  const certificate = sequence(toBeSigned, algorithm, value(0x03, Buffer.concat([Buffer.from([0]), signature])));
  return {
    name: hostName,
    cert: Buffer.from(pem('CERTIFICATE', certificate)),
    key: Buffer.from(privateKey.export({ type: 'pkcs8', format: 'pem' })),
  };
}

const dayMs = 86_400_000;

/** commonName, UTF8String */
const nameOf = (text: string): Buffer => sequence(set(sequence(oid('550403'), value(0x0c, Buffer.from(text)))));

function value(tag: number, content: Buffer): Buffer {
  const { length } = content;
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

function subjectAltName(names: readonly string[]): Buffer {
  const dnsNames = names.map((name) => value(0x82, Buffer.from(name)));
  return sequence(oid('551d11'), value(0x04, sequence(...dnsNames)));
}

const sequence = (...parts: readonly Buffer[]): Buffer => value(0x30, Buffer.concat(parts));
const set = (...parts: readonly Buffer[]): Buffer => value(0x31, Buffer.concat(parts));
const oid = (hex: string): Buffer => value(0x06, Buffer.from(hex, 'hex'));
const integer = (octets: Buffer): Buffer => value(0x02, octets);
const utcTime = (time: number): Buffer =>
  value(0x17, Buffer.from(`${new Date(time).toISOString().replace(/[-:T]/g, '').slice(2, 14)}Z`));

const pem = (label: string, der: Buffer): string =>
  `-----BEGIN ${label}-----\n${der.toString('base64').replace(/.{64}/g, '$&\n').trimEnd()}\n-----END ${label}-----\n`;
