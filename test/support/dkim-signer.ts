/**
 * DKIM signatures for tests (RFC 6376, relaxed/relaxed, RSA or Ed25519 with SHA-256), written from the RFC and
 * independent of what verifies them; the key is made on the spot.
 */
import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';

export class DkimSigner {
  readonly domain: string;
  readonly selector: string;
  readonly #privateKey: KeyObject;
  /** The TXT record of `SELECTOR._domainkey.DOMAIN`. */
  readonly record: string;
  readonly #algorithm: 'rsa-sha256' | 'ed25519-sha256';

  constructor(domain: string, { bits = 2048, ed25519 = false, selector = 's1' } = {}) {
    this.domain = domain;
    this.selector = selector;
    const { privateKey, publicKey } = ed25519
      ? generateKeyPairSync('ed25519')
      : generateKeyPairSync('rsa', { modulusLength: bits });
    this.#privateKey = privateKey;
    this.#algorithm = ed25519 ? 'ed25519-sha256' : 'rsa-sha256';
    const spki = publicKey.export({ type: 'spki', format: 'der' });
    // RFC 8463 §4.2: the 32 octets of an Ed25519 key stand alone.
    const key = ed25519 ? spki.subarray(-32) : spki;
    this.record = `v=DKIM1; k=${ed25519 ? 'ed25519' : 'rsa'}; p=${key.toString('base64')}`;
  }

  /** As zone data; a character-string has at most 255 octets (RFC 1035 §3.3.14). */
  get zone(): Readonly<Record<string, { readonly TXT: readonly (readonly string[])[] }>> {
    return { [`${this.selector}._domainkey.${this.domain}`]: { TXT: [this.record.match(/.{1,200}/g) ?? []] } };
  }

  get privatePem(): string {
    return this.#privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  }

  /** The message (lines in CRLF) with a signature on top; `tags` are put into it as they are. */
  sign(message: string, { fields = ['from', 'subject', 'date'], tags = '' } = {}): string {
    const at = message.indexOf('\r\n\r\n');
    const header = message.slice(0, at).split(/\r\n(?![ \t])/);
    const length = /\bl=(\d+)/.exec(tags)?.[1];
    const body = relaxedBody(message.slice(at + 4)).slice(0, length === undefined ? undefined : Number(length));
    const signature = [
      'DKIM-Signature: v=1',
      `a=${this.#algorithm}`,
      'c=relaxed/relaxed',
      `d=${this.domain}`,
      `s=${this.selector}`,
      ...(tags === '' ? [] : [tags]),
      `h=${fields.join(':')}`,
      `bh=${createHash('sha256').update(body, 'latin1').digest('base64')}`,
      'b=',
    ].join('; ');
    const signed = fields.flatMap((name) => header.findLast((line) => line.toLowerCase().startsWith(`${name}:`)) ?? []);
    const octets = Buffer.from([...signed, signature].map(relaxedField).join('\r\n'), 'latin1');
    const b =
      this.#algorithm === 'rsa-sha256'
        ? sign('sha256', octets, this.#privateKey)
        : sign(null, createHash('sha256').update(octets).digest(), this.#privateKey);
    return `${signature}${b.toString('base64').replace(/(.{70})/g, '$1\r\n\t')}\r\n${message}`;
  }
}

/** RFC 6376 §3.4.2 */
function relaxedField(field: string): string {
  const colon = field.indexOf(':');
  const value = field
    .slice(colon + 1)
    .replace(/\r\n/g, '')
    .replace(/[ \t]+/g, ' ')
    .trim();
  return `${field.slice(0, colon).toLowerCase().trim()}:${value}`;
}

/** RFC 6376 §3.4.4 */
function relaxedBody(body: string): string {
  const lines = body.split('\r\n').map((line) => line.replace(/[ \t]+/g, ' ').replace(/ $/, ''));
  const text = lines.join('\r\n').replace(/(?:\r\n)+$/, '');
  return text === '' ? '' : `${text}\r\n`;
}
