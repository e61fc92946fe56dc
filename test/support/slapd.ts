/** A real LDAP server (OpenLDAP's slapd) in a temporary folder, on ports of its own, with a test CA made by openssl. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from './free-port.js';

export const base = 'dc=provider,dc=test';
export const reader = { dn: `cn=reader,${base}`, password: 'rëad-ör secret' };

/** Customers' domains, and a mailbox; one referral, to a server that is nowhere. */
const tree = (domains: readonly string[], mailboxes: readonly string[]): string =>
  [
    `dn: ${base}\nobjectClass: dcObject\nobjectClass: organization\no: provider\ndc: provider`,
    `dn: ou=domains,${base}\nobjectClass: organizationalUnit\nou: domains`,
    `dn: ou=people,${base}\nobjectClass: organizationalUnit\nou: people`,
    `dn: ou=elsewhere,${base}\nobjectClass: referral\nobjectClass: extensibleObject\nou: elsewhere\nref: ldap://127.0.0.1:9/ou=elsewhere,${base}`,
    `dn: ${reader.dn}\nobjectClass: applicationProcess\nobjectClass: simpleSecurityObject\ncn: reader\nuserPassword: ${reader.password}`,
    ...domains.map(
      (name) =>
        `dn: associatedDomain=${name},ou=domains,${base}\nobjectClass: domainRelatedObject\nobjectClass: account\nuid: ${name}\nassociatedDomain: ${name}`,
    ),
    ...mailboxes.map(
      (mail) =>
        `dn: mail=${mail},ou=people,${base}\nobjectClass: inetOrgPerson\ncn: x\nsn: x\nmail: ${mail}\nuid: ${mail.split('@')[0]}`,
    ),
  ]
    .join('\n\n')
    .concat('\n');

export interface SlapdOptions {
  readonly domains?: readonly string[];
  readonly mailboxes?: readonly string[];
  /** Only `reader` may search. */
  readonly closed?: boolean;
}

export class Slapd {
  readonly folder: string;
  readonly uri: string;
  readonly secureUri: string;
  readonly socketUri: string;
  readonly caFile: string;
  readonly port: number;
  #child: ChildProcess | undefined;

  private constructor(folder: string, ports: readonly [number, number]) {
    this.folder = folder;
    this.port = ports[0];
    this.uri = `ldap://localhost:${ports[0]}`;
    this.secureUri = `ldaps://localhost:${ports[1]}`;
    this.socketUri = `ldapi://${encodeURIComponent(join(folder, 'ldapi'))}`;
    this.caFile = join(folder, 'ca.pem');
  }

  static async start(options: SlapdOptions = {}): Promise<Slapd> {
    const folder = mkdtempSync(join(tmpdir(), 'postern-slapd-'));
    chmodSync(folder, 0o755);
    const slapd = new Slapd(folder, [await freePort(), await freePort()]);
    mkdirSync(join(folder, 'db'));
    makeCertificates(folder);
    writeFileSync(join(folder, 'slapd.conf'), configuration(folder, options.closed ?? false));
    writeFileSync(join(folder, 'tree.ldif'), tree(options.domains ?? [], options.mailboxes ?? []));
    run('/usr/sbin/slapadd', ['-f', join(folder, 'slapd.conf'), '-l', join(folder, 'tree.ldif')]);
    await slapd.restart();
    return slapd;
  }

  /** Starts it, again if it was killed; serves when this returns. */
  async restart(): Promise<void> {
    const urls = `ldap://127.0.0.1:${this.port} ldaps://127.0.0.1:${this.secureUri.split(':').at(-1)} ${this.socketUri}`;
    const child = spawn('/usr/sbin/slapd', ['-f', join(this.folder, 'slapd.conf'), '-h', urls, '-d', '0'], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let complaints = '';
    child.stderr.on('data', (octets: Buffer) => (complaints += octets.toString()));
    this.#child = child;
    for (const until = Date.now() + 20_000; !(await listens(this.port)); await sleep(20)) {
      if (child.exitCode !== null || Date.now() > until) throw new Error(`slapd does not serve: ${complaints}`);
    }
  }

  /** As by the kernel: no answer is finished. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }

  /** Stops answering without closing anything, until `SIGCONT`. */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child?.kill(signal);
  }

  get ca(): string {
    return readFileSync(this.caFile, 'utf8');
  }

  async close(): Promise<void> {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

const configuration = (folder: string, closed: boolean): string => `
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile ${folder}/slapd.pid
TLSCACertificateFile ${folder}/ca.pem
TLSCertificateFile ${folder}/server.pem
TLSCertificateKeyFile ${folder}/server.key
database mdb
suffix "${base}"
rootdn "cn=admin,${base}"
directory ${folder}/db
maxsize 10485760
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="${reader.dn}" read ${closed ? 'by * none' : 'by * read'}
`;

/** A CA, and a certificate of it for localhost. */
function makeCertificates(folder: string): void {
  const path = (name: string): string => join(folder, name);
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  const ca = ['-x509', ...newKey, '-subj', '/CN=test CA', '-keyout', path('ca.key'), '-out', path('ca.pem')];
  run('openssl', ['req', ...ca]);
  const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
  const signed = [
    '-x509',
    '-CA',
    path('ca.pem'),
    '-CAkey',
    path('ca.key'),
    '-addext',
    'basicConstraints=critical,CA:false',
  ];
  const out = ['-keyout', path('server.key'), '-out', path('server.pem')];
  run('openssl', ['req', ...signed, ...newKey, ...names, ...out]);
}

function run(program: string, words: readonly string[]): void {
  const { status, stderr, error } = spawnSync(program, words, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${program} ${words.join(' ')}: ${error?.message ?? stderr}`);
}

async function listens(port: number): Promise<boolean> {
  const socket = net.connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
