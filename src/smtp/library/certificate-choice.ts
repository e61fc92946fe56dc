/**
 * Which certificate a client is shown: the one that has the name that it asks for (RFC 6066 §3), else the first. Leaves
 * reading them to cli/service/certificates.
 */
import { X509Certificate } from 'node:crypto';
import { createSecureContext, type SecureContext } from 'node:tls';
import { parseDomain } from '../../mail/domain.js';

export interface Certificate {
  /** For people: the name of its folder, or `tls_cert`. */
  readonly name: string;
  /** PEM, with the chain behind it. */
  readonly cert: Buffer;
  readonly key: Buffer;
}

export class CertificateChoice {
  #certificates: readonly Certificate[] = [];
  #byName: ReadonlyMap<string, Certificate> = new Map();
  /** Made when they are first asked for: there may be hundreds. */
  #contexts = new WeakMap<Certificate, SecureContext>();

  constructor(certificates: readonly Certificate[]) {
    this.use(certificates);
  }

  /** It is shown to whoever asks for no name, or for one that no certificate has. */
  get first(): Certificate | undefined {
    return this.#certificates[0];
  }

  /** Each name goes to the first certificate that has it. */
  use(certificates: readonly Certificate[]): void {
    this.#certificates = certificates;
    this.#byName = new Map(
      certificates.flatMap((one) => namesOf(one.cert).map((name) => [name, one] as const)).toReversed(),
    );
    this.#contexts = new WeakMap();
  }

  /** undefined: the first one. `name` as the client has sent it, or in Unicode. */
  contextFor(name: string): SecureContext | undefined {
    const certificate = this.#certificateFor(parseDomain(name) ?? '');
    if (certificate === undefined || certificate === this.first) return undefined;
    const context = this.#contexts.get(certificate) ?? createSecureContext({ ...certificate, minVersion: 'TLSv1.2' });
    this.#contexts.set(certificate, context);
    return context;
  }

  /** A `*` stands for one label (RFC 9525 §6.3). */
  #certificateFor(name: string): Certificate | undefined {
    return this.#byName.get(name) ?? this.#byName.get(name.replace(/^[^.]*/, '*'));
  }
}

/** The names that a certificate is good for, in lower case; its common name where it has no others. */
export function namesOf(cert: Buffer): readonly string[] {
  const { subjectAltName, subject } = new X509Certificate(cert);
  const names = [...(subjectAltName ?? '').matchAll(/(?:^|, )DNS:([^,\s"]+)/g)].map(([, name = '']) => name);
  const common = subjectAltName === undefined ? /^CN=(\S+)$/m.exec(subject)?.[1] : undefined;
  return [...names, ...(common === undefined ? [] : [common])].map((name) => name.toLowerCase());
}
