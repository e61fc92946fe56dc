/**
 * The TLS certificates on disk: one with its key, or a folder of them as certbot keeps it. They are read at start, on
 * HUP, and when their files change (certbot renews behind links).
 */
import { X509Certificate } from 'node:crypto';
import { readdirSync, statSync, unwatchFile, watchFile } from 'node:fs';
import { join } from 'node:path';
import { createSecureContext } from 'node:tls';
import { errorText } from '../../mail/error-text.js';
import { type Result, wrong } from '../../mail/result.js';
import { readText } from '../../settings/read-text.js';
import type { Settings } from '../../settings/settings.js';
import { type Certificate, namesOf } from '../../smtp/library/certificate-choice.js';

type WithCertificates = Pick<Settings, 'tls_cert' | 'tls_key' | 'hostname'>;

export interface ReadCertificates {
  /** The one for whoever asks for no name is the first. */
  readonly certificates: readonly Certificate[];
  readonly problems: readonly CertificateProblem[];
}

export interface CertificateProblem {
  /** As in `Certificate`. */
  readonly name: string;
  /** A whole sentence, with the files that it is about. */
  readonly problem: string;
}

/** Where a certificate and its key are. */
interface CertificatePlace {
  readonly name: string;
  readonly cert: string;
  readonly key: string;
}

/** A pair that does not fit together is a problem, and leaves the others as they are. None where none is set. */
export function readCertificates(settings: WithCertificates): ReadCertificates {
  const { tls_cert, tls_key, hostname } = settings;
  if (tls_cert === '') return { certificates: [], problems: [] };
  const isOne = tls_key !== '';
  const places = placesOf(settings);
  if (!places.ok) return { certificates: [], problems: [{ name: 'tls_cert', problem: places.problem }] };
  const certificates: Certificate[] = [];
  const problems: CertificateProblem[] = [];
  for (const place of places.value) {
    const read = readPair(place);
    if (read.ok) certificates.push(read.value);
    else {
      const where = isOne ? `tls_cert = ${tls_cert}, tls_key = ${tls_key}` : `tls_cert: ${place.cert}`;
      problems.push({ name: place.name, problem: `${where}: ${read.problem}` });
    }
  }
  return { certificates: inOrder(certificates, hostname), problems };
}

/** One that is good for the hostname is the first; for others, the order of their names decides. */
export function inOrder(certificates: readonly Certificate[], hostname: string): readonly Certificate[] {
  const rank = ({ name, cert }: Certificate): number =>
    name === hostname ? 0 : namesOf(cert).includes(hostname) ? 1 : isFor(cert, hostname) ? 2 : 3;
  return certificates.toSorted((a, b) => rank(a) - rank(b) || (a.name < b.name ? -1 : 1));
}

const isFor = (cert: Buffer, name: string): boolean => new X509Certificate(cert).checkHost(name) !== undefined;

/** What is read now, and in the place of what cannot be read that which was held before. */
export function withHeld(
  { certificates, problems }: ReadCertificates,
  held: readonly Certificate[],
  hostname: string,
): readonly Certificate[] {
  const kept = held.filter(
    ({ name }) => problems.some((one) => one.name === name) && !certificates.some((one) => one.name === name),
  );
  return kept.length === 0 ? certificates : inOrder([...certificates, ...kept], hostname);
}

function placesOf({ tls_cert, tls_key }: WithCertificates): Result<readonly CertificatePlace[]> {
  if (tls_key !== '') return { ok: true, value: [{ name: 'tls_cert', cert: tls_cert, key: tls_key }] };
  try {
    const places = foldersIn(tls_cert).map((name) => ({
      name,
      cert: join(tls_cert, name, 'fullchain.pem'),
      key: join(tls_cert, name, 'privkey.pem'),
    }));
    if (places.length > 0) return { ok: true, value: places };
    return wrong(`tls_cert = ${tls_cert}: holds no folder with fullchain.pem and privkey.pem`);
  } catch (error) {
    return wrong(`tls_cert = ${tls_cert}: ${errorText(error)}`);
  }
}

/** Those with a certificate; certbot has a README beside them. */
const foldersIn = (folder: string): readonly string[] =>
  readdirSync(folder)
    .filter((name) => !name.startsWith('.') && hasCertificate(join(folder, name)))
    .toSorted();

const hasCertificate = (folder: string): boolean =>
  ['fullchain.pem', 'privkey.pem'].some((name) => {
    try {
      return statSync(join(folder, name), { throwIfNoEntry: false }) !== undefined;
    } catch (error) {
      return (error as NodeJS.ErrnoException).code !== 'ENOTDIR'; // what may not be looked at is a problem
    }
  });

function readPair({ name, cert, key }: CertificatePlace): Result<Certificate> {
  try {
    const certificate = { name, cert: Buffer.from(readText(cert)), key: Buffer.from(readText(key)) };
    createSecureContext(certificate);
    return { ok: true, value: certificate };
  } catch (error) {
    const { message } = error as Error;
    return wrong(
      /key (?:values|type) mismatch/i.test(message)
        ? 'this is not the key of that certificate; name the two that were issued together, as fullchain.pem and privkey.pem'
        : `${message}; a PEM certificate chain and its key are needed`,
    );
  }
}

/** Its last second, in seconds since 1970; NaN where it cannot be told. `cert` is PEM, the first of a chain counts. */
export const certificateEnd = (cert: Buffer): number => Date.parse(new X509Certificate(cert).validTo) / 1000;

const intervalMs = 5000;

/** Calls back when one of the files changes, or one comes or goes; returns what ends the watch. */
export function watchCertificates(settings: WithCertificates, changed: () => void): () => void {
  const { tls_cert } = settings;
  const places = placesOf(settings);
  const files = places.ok ? places.value.flatMap(({ cert, key }) => [cert, key]) : [];
  const watched = tls_cert === '' ? [] : [...new Set([tls_cert, ...files])];
  for (const file of watched) watchFile(file, { interval: intervalMs, persistent: false }, changed);
  return () => {
    for (const file of watched) unwatchFile(file, changed);
  };
}
