/** The certificates as a client sees them that looks closely: their names, their chains, their ends. */
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { rootCertificates } from 'node:tls';
import type { Certificate } from '../../smtp/server.js';
import { readCertificates } from '../service/certificates.js';
import { type Diagnoses, type Diagnosis, type Examined, failing, good, warning } from './diagnosis.js';

const dayMs = 86_400_000;
/** An automatic renewal, a month before the end, has failed for two weeks. */
const soonMs = 14 * dayMs;

/** `names` are those by which MX records point at us, beside the one that we have. */
export async function* examineCertificate(
  { settings }: Pick<Examined, 'settings'>,
  names: readonly string[],
  now = Date.now(),
): Diagnoses {
  const { certificates, problems } = readCertificates(settings);
  const [first] = certificates;
  if (first === undefined && problems.length > 0) return; // check-config has said so
  if (first === undefined)
    return yield warning('certificate', 'tls_cert is not set: all mail comes in the clear', 'set tls_cert and tls_key');
  const sound = certificates.map((one) => examineOne(one, now));
  const unnamed = [...new Set([settings.hostname, ...names])].flatMap((name) => nameDiagnosis(certificates, name));
  yield* unnamed;
  for (const { found } of sound) yield* found;
  for (const { found, leaf, where } of sound)
    if (found.length === 0 && unnamed.length === 0)
      yield good('certificate', `${where ?? settings.tls_cert} is good for ${goodFor(leaf, settings.hostname)}`);
}

interface ExaminedCertificate {
  readonly leaf: X509Certificate;
  /** Its folder, where there are several. */
  readonly where: string | undefined;
  readonly found: readonly Diagnosis[];
}

/** What is wrong with it whatever the names that lead to us. */
function examineOne({ name, cert }: Certificate, now: number): ExaminedCertificate {
  const where = name === 'tls_cert' ? undefined : name;
  const chain = chainOf(cert.toString());
  const leaf = new X509Certificate(cert);
  const found = [endDiagnosis(leaf, now), ...chainDiagnosis(chain, now)].filter((one) => one !== undefined);
  return {
    leaf,
    where,
    found: found.map((one) => (where === undefined ? one : { ...one, text: `${where}: ${one.text}` })),
  };
}

const goodFor = (leaf: X509Certificate, hostname: string): string =>
  `${leaf.checkHost(hostname) === undefined ? hasNames(leaf) : hostname} until ${dayOf(leaf.validTo)}`;

const chainOf = (pem: string): readonly X509Certificate[] =>
  (pem.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? []).map(
    (one) => new X509Certificate(one),
  );

const dayOf = (time: string): string => new Date(time).toISOString().slice(0, 10);

function endDiagnosis({ validFrom, validTo }: X509Certificate, now: number): Diagnosis | undefined {
  const left = Date.parse(validTo) - now;
  const renew = 'renew it; serve takes the new one by itself';
  if (left < 0) return failing('certificate', `it has ended on ${dayOf(validTo)}`, renew);
  if (Date.parse(validFrom) > now)
    return failing('certificate', `it is good from ${dayOf(validFrom)} on, and not yet`, "set this machine's clock");
  return left < soonMs ? warning('certificate', `it ends on ${dayOf(validTo)}`, renew) : undefined;
}

function nameDiagnosis(certificates: readonly Certificate[], name: string): readonly Diagnosis[] {
  const leaves = certificates.map(({ cert }) => new X509Certificate(cert));
  if (leaves.some((leaf) => leaf.checkHost(name) !== undefined)) return [];
  const text =
    leaves.length === 1
      ? `${name} is none of its names (${leaves.map(hasNames).join()})`
      : `${name} is none of the names of ${leaves.length} certificates`;
  return [failing('certificate', text, `have one made that names ${name}`)];
}

const hasNames = ({ subjectAltName, subject }: X509Certificate): string =>
  subjectAltName ?? subject.replaceAll('\n', ', ');

/** Senders that go by DANE or MTA-STS look at the chain; most do not. */
function chainDiagnosis(chain: readonly X509Certificate[], now: number): readonly Diagnosis[] {
  const [leaf] = chain;
  if (!leaf) return [];
  if (leaf.checkIssued(leaf))
    return [
      warning(
        'certificate',
        'it is signed by itself: senders that verify (MTA-STS) do not deliver',
        'have one made by a certificate authority',
      ),
    ];
  const path = pathFrom(leaf, chain);
  const ended = path.find(({ validTo }, i) => i > 0 && Date.parse(validTo) < now);
  if (ended)
    return [failing('certificate', `its chain has ended on ${dayOf(ended.validTo)} (${subjectOf(ended)})`, 'renew it')];
  const last = path.at(-1) ?? leaf;
  if (roots().some((root) => isIssuer(root, last) || root.raw.equals(last.raw))) return [];
  const text = `its chain ends with ${subjectOf(last)}, whose issuer (${last.issuer.replaceAll('\n', ', ')}) is in no usual list`;
  return [warning('certificate', text, 'tls_cert must hold the certificates in between, too, as fullchain.pem does')];
}

/** The certificate, its issuer, the issuer's issuer and so on, as far as the file has them. */
function pathFrom(leaf: X509Certificate, chain: readonly X509Certificate[]): readonly X509Certificate[] {
  const path = [leaf];
  for (let last = leaf; ;) {
    const next = chain.find((other) => !path.includes(other) && isIssuer(other, last));
    if (next === undefined) return path;
    path.push(next);
    last = next;
  }
}

const isIssuer = (issuer: X509Certificate, one: X509Certificate): boolean =>
  one.checkIssued(issuer) && one.verify(issuer.publicKey);

const subjectOf = ({ subject }: X509Certificate): string => subject.replaceAll('\n', ', ');

let known: readonly X509Certificate[] | undefined;
/** Those that Node believes, and those of NODE_EXTRA_CA_CERTS, as for Node. */
const roots = (): readonly X509Certificate[] =>
  (known ??= [...rootCertificates.map((pem) => new X509Certificate(pem)), ...chainOf(extraRoots())]);

function extraRoots(): string {
  try {
    return readFileSync(process.env['NODE_EXTRA_CA_CERTS'] ?? '', 'latin1');
  } catch {
    return '';
  }
}
