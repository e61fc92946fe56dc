/**
 * What is wrong or unwise in the records that a domain publishes beside SPF: its DMARC policy (RFC 7489 §6.3), and its
 * DKIM keys (RFC 6376 §3.6.1). Pure; leaves asking the DNS to others.
 */
import { createPublicKey } from 'node:crypto';
import { printable } from '../mail/text.js';

export interface RecordProblem {
  readonly severity: 'error' | 'warning';
  readonly problem: string;
}

/** A record's tags, or what is wrong with its form. */
type Tags = ReadonlyMap<string, string>;

const error = (problem: string): RecordProblem => ({ severity: 'error', problem });
const warning = (problem: string): RecordProblem => ({ severity: 'warning', problem });
const quoted = (text: string): string => `"${printable(text, 60)}"`;

/** Does the text of a TXT record begin as a DMARC record does? Others of the name do not count (RFC 7489 §6.6.3). */
export const isDmarcRecord = (text: string): boolean => /^v\s*=\s*DMARC1\s*(?:;|$)/.test(text);

const dmarcTags = ['v', 'p', 'sp', 'np', 'adkim', 'aspf', 'pct', 'rua', 'ruf', 'fo', 'rf', 'ri', 't', 'psd'];

/** `texts` are the records of `_dmarc.DOMAIN` that are DMARC records, one at least. */
export function dmarcProblems(texts: readonly string[]): readonly RecordProblem[] {
  if (texts.length > 1) return [error(`there are ${texts.length} DMARC records, so none counts: keep one`)];
  const { tags, problems } = tagsOf(texts[0] ?? '');
  const found = [...problems];
  const policy = tags.get('p');
  if (policy === undefined) found.push(error('p= is missing: say p=none, p=quarantine or p=reject'));
  for (const tag of ['p', 'sp', 'np']) {
    const value = tags.get(tag)?.toLowerCase();
    if (value !== undefined && !['none', 'quarantine', 'reject'].includes(value))
      found.push(error(`${tag}=${quoted(value)} is no policy: none, quarantine and reject are`));
  }
  for (const tag of ['adkim', 'aspf']) {
    const value = tags.get(tag)?.toLowerCase();
    if (value !== undefined && value !== 'r' && value !== 's')
      found.push(error(`${tag}=${quoted(value)} must be r or s`));
  }
  const percent = tags.get('pct');
  if (percent !== undefined && !/^(?:100|\d{1,2})$/.test(percent))
    found.push(error(`pct=${quoted(percent)} must be a number from 0 to 100`));
  else if (percent !== undefined && percent !== '100')
    found.push(warning(`pct=${percent}: the policy holds for ${percent} of a hundred mails alone`));
  for (const tag of ['rua', 'ruf'])
    for (const uri of tags.get(tag)?.split(',') ?? [])
      if (!/^mailto:[^\s@]+@[^\s@]+$/i.test(uri.trim()))
        found.push(error(`${tag}: ${quoted(uri.trim())} is no address to report to: write mailto:user@domain`));
  if (policy?.toLowerCase() === 'none' && !tags.has('rua'))
    found.push(warning('p=none without rua=: nothing is done, and nobody is told of anything'));
  for (const tag of tags.keys())
    if (!dmarcTags.includes(tag)) found.push(warning(`${quoted(tag)} is no tag of DMARC, and is passed over`));
  return found;
}

/** `text` is the record of `SELECTOR._domainkey.DOMAIN`. */
export function dkimKeyProblems(text: string): readonly RecordProblem[] {
  const { tags, problems } = tagsOf(text);
  const found = [...problems];
  const version = tags.get('v');
  if (version !== undefined && version !== 'DKIM1') found.push(error(`v=${quoted(version)} must be DKIM1`));
  const key = tags.get('p')?.replace(/\s+/g, '');
  if (key === undefined) return [...found, error('p= is missing: the record holds no key')];
  if (key === '') return [...found, warning('p= is empty: the key is revoked')];
  const hashes = tags
    .get('h')
    ?.split(':')
    .map((hash) => hash.trim());
  if (hashes && !hashes.includes('sha256')) found.push(error('h= leaves out sha256, the only hash that still counts'));
  if (
    tags
      .get('t')
      ?.split(':')
      .some((flag) => flag.trim() === 'y')
  )
    found.push(warning('t=y: receivers treat signed mail as if it were not signed; take it out once signatures pass'));
  return [...found, ...keyProblems(tags.get('k') ?? 'rsa', key)];
}

function keyProblems(kind: string, key: string): readonly RecordProblem[] {
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(key)) return [error('p= is no base64: the key was mangled when it was copied')];
  const octets = Buffer.from(key, 'base64');
  if (kind === 'ed25519')
    return octets.length === 32 ? [] : [error(`p= holds ${octets.length} octets; an Ed25519 key has 32`)];
  if (kind !== 'rsa') return [error(`k=${quoted(kind)} is no kind of key: rsa and ed25519 are`)];
  const bits = rsaBits(octets);
  if (bits === undefined) return [error('p= is no RSA key: it was cut or mangled when it was copied')];
  if (bits < 1024)
    return [error(`the key has ${bits} bits, and less than 1024 do not count (RFC 8301): make a new one`)];
  return bits < 2048 ? [warning(`the key has ${bits} bits; make one of 2048`)] : [];
}

/** RFC 6376 §3.6.1 speaks of an RSAPublicKey, and shows a SubjectPublicKeyInfo, as nearly everybody publishes. */
function rsaBits(octets: Buffer): number | undefined {
  for (const type of ['spki', 'pkcs1'] as const) {
    try {
      const key = createPublicKey({ key: octets, format: 'der', type });
      if (key.asymmetricKeyType === 'rsa') return key.asymmetricKeyDetails?.modulusLength;
    } catch {
      // It may be of the other form.
    }
  }
  return undefined;
}

/** RFC 6376 §3.2, which DMARC took over. */
function tagsOf(text: string): { readonly tags: Tags; readonly problems: readonly RecordProblem[] } {
  const tags = new Map<string, string>();
  const problems: RecordProblem[] = [];
  for (const part of text.replace(/;\s*$/, '').split(';')) {
    const [, name, value = ''] = /^\s*([A-Za-z][A-Za-z0-9_]*)\s*=\s*([^]*?)\s*$/.exec(part) ?? [];
    if (name === undefined)
      problems.push(error(`${quoted(part.trim())} is no tag: each is name=value, with ; between them`));
    else if (tags.has(name)) problems.push(error(`${name}= stands there twice: keep one`));
    else tags.set(name, value);
  }
  return { tags, problems };
}
