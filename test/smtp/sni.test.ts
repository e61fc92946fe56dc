/** Several certificates: a client is shown the one that it asks for, and they are renewed by themselves. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { CertificateChoice, namesOf } from '../../src/smtp/library/certificate-choice.js';
import { makeCertificate } from '../support/certificate.js';
import { PosternProcess } from '../support/child.js';
import { freePort } from '../support/free-port.js';
import { Mx } from '../support/mx.js';
import { needPeer } from '../support/peers.js';
import { RawClient } from '../support/raw-client.js';

const ehlo = 'EHLO client.example';

/** The common name of the certificate that is shown to a client that asks for that name; undefined asks for none. */
async function shownTo(port: number, servername: string | undefined): Promise<string> {
  const client = await RawClient.open({ port });
  await client.sayAll(ehlo, 'STARTTLS');
  const shown = await client.handshake(servername === undefined ? {} : { servername });
  if (!(shown instanceof Error)) assert.match(await client.say(ehlo), /^250-/);
  client.end();
  return shown instanceof Error ? shown.message : String(shown.subject.CN);
}

const first = makeCertificate('mx.test.example');
const several = makeCertificate('several.example', { alsoFor: ['mail.b.example', '*.c.example'] });
const later = makeCertificate('later.example', { alsoFor: ['mail.b.example', 'xn--bcher-kva.example'] });

/** [what, the name asked for, who is shown] */
const table: readonly (readonly [what: string, name: string | undefined, shown: string])[] = [
  ['none', undefined, 'mx.test.example'],
  ['the first', 'mx.test.example', 'mx.test.example'],
  ['one that nobody has', 'elsewhere.example', 'mx.test.example'],
  ['another', 'several.example', 'several.example'],
  ['another, in capitals', 'Several.EXAMPLE', 'several.example'],
  ['one that two have: the first of them', 'mail.b.example', 'several.example'],
  ['one below a wildcard', 'x.c.example', 'several.example'],
  ['one two labels below a wildcard', 'x.y.c.example', 'mx.test.example'],
  ['the wildcard without its label', 'c.example', 'mx.test.example'],
  ['an A-label', 'xn--bcher-kva.example', 'later.example'],
  ['a star', '*', 'mx.test.example'],
];

test('a client is shown the certificate that has the name it asks for', async (t) => {
  const mx = await Mx.start({ certificates: [first, several, later] });
  t.after(() => mx.close());
  for (const [what, name, shown] of table) assert.equal(await shownTo(mx.port, name), shown, what);
});

test('a session is resumed under the name that it was made for', async (t) => {
  const mx = await Mx.start({ certificates: [first, several] });
  t.after(() => mx.close());
  const made = await sessionAt(mx.port, 'several.example');
  assert.equal(made.isReused, false);
  assert.equal((await sessionAt(mx.port, 'several.example', made.session)).isReused, true);
});

async function sessionAt(
  port: number,
  servername: string,
  session?: Buffer,
): Promise<{ readonly isReused: boolean; readonly session: Buffer | undefined }> {
  const client = await RawClient.open({ port });
  await client.sayAll(ehlo, 'STARTTLS');
  const { secure, ticket } = client.secure({ servername, rejectUnauthorized: false, ...(session && { session }) });
  secure.resume(); // tickets come behind the handshake (RFC 8446 §4.6.1)
  await new Promise((resolve, reject) => secure.once('secureConnect', resolve).once('error', reject));
  const isReused = secure.isSessionReused();
  const found = { isReused, session: isReused ? undefined : await ticket };
  secure.destroy();
  return found;
}

test('names of a certificate: the alternative ones, and the common one where there are none', () => {
  assert.deepEqual(namesOf(first.cert), ['mx.test.example']);
  assert.deepEqual(namesOf(several.cert), ['several.example', 'mail.b.example', '*.c.example']);
});

test('without certificates nobody is shown any', () => {
  const choice = new CertificateChoice([]);
  assert.equal(choice.first, undefined);
  assert.equal(choice.contextFor('a.example'), undefined);
});

/** A folder as certbot keeps it: live/NAME has links into archive/NAME. */
class Live {
  readonly folder: string;
  readonly #root: string;
  #turn = 0;

  constructor(t: TestContext) {
    this.#root = mkdtempSync(join(tmpdir(), 'postern-certbot-'));
    t.after(() => rmSync(this.#root, { recursive: true, force: true }));
    this.folder = join(this.#root, 'live');
    mkdirSync(this.folder);
    writeFileSync(join(this.folder, 'README'), 'This directory contains your keys and certificates.\n');
  }

  /** A certificate comes, or is renewed. */
  put(name: string, commonName: string, text?: string): void {
    const { cert, key } = makeCertificate(commonName, { alsoFor: [name] });
    const turn = ++this.#turn;
    for (const [file, content] of [
      ['fullchain', text ?? cert],
      ['privkey', key],
    ] as const) {
      const archived = join(this.#root, 'archive', name);
      mkdirSync(archived, { recursive: true });
      mkdirSync(join(this.folder, name), { recursive: true });
      writeFileSync(join(archived, `${file}${turn}.pem`), content);
      const link = join(this.folder, name, `${file}.pem`);
      rmSync(`${link}.new`, { force: true });
      symlinkSync(`../../archive/${name}/${file}${turn}.pem`, `${link}.new`);
      renameSync(`${link}.new`, link);
    }
  }

  remove(name: string): void {
    rmSync(join(this.folder, name), { recursive: true });
  }
}

const expiries = async (port: number): Promise<string[]> => {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  return [...text.matchAll(/^postern_certificate_expiry_seconds\{name="([^"]*)"\} \d+$/gm)].map(
    ([, name = '']) => name,
  );
};

test('a folder as certbot keeps it: chosen by name, renewed, added to and taken from without a stop', async (t) => {
  const live = new Live(t);
  live.put('mx.test.example', 'mx first');
  live.put('mail.b.example', 'b first');
  live.put('broken.example', 'broken', 'no certificate');
  const metrics = await freePort();
  const settings = [`tls_cert=${live.folder}`, 'hostname=mx.test.example', `metrics=127.0.0.1:${metrics}`];
  const child = await PosternProcess.start({ settings, relayPort: 9 });
  t.after(() => child.close());
  const { port } = child;
  assert.equal(await shownTo(port, undefined), 'mx first', 'the one for our hostname is the usual one');
  assert.equal(await shownTo(port, 'mail.b.example'), 'b first');
  assert.equal(await shownTo(port, 'broken.example'), 'mx first');
  assert.deepEqual(await expiries(metrics), ['mx.test.example', 'mail.b.example']);
  assert.ok(child.log.some(({ problem }) => /broken\.example\/fullchain\.pem/.test(String(problem))));

  const isShown = async (name: string, expected: string): Promise<void> => {
    for (const end = Date.now() + 60_000; Date.now() < end; await new Promise((resolve) => setTimeout(resolve, 100)))
      if ((await shownTo(port, name)) === expected) return;
    assert.fail(`${expected} is not shown: ${await shownTo(port, name)}`);
  };
  live.put('mail.b.example', 'b second');
  await isShown('mail.b.example', 'b second');
  live.put('mail.c.example', 'c first');
  await isShown('mail.c.example', 'c first');
  live.put('mail.c.example', 'c second', 'no certificate');
  live.put('mail.b.example', 'b third');
  child.signal('SIGHUP');
  await isShown('mail.b.example', 'b third');
  assert.equal(await shownTo(port, 'mail.c.example'), 'c first', 'what cannot be read stays as it was');
  live.remove('mail.b.example');
  child.signal('SIGHUP');
  await isShown('mail.b.example', 'mx first');
  assert.deepEqual(await expiries(metrics), ['mx.test.example', 'mail.c.example']);
  assert.equal(await child.stop(), 0);
});

test('a folder without a certificate that can be used stops the start, and says what was looked for', async (t) => {
  const live = new Live(t);
  const start = async (): Promise<string> => {
    const child = PosternProcess.launch({ settings: [`tls_cert=${live.folder}`], relayPort: 9 });
    assert.equal(await child.exited, 78);
    await child.close();
    return child.complaints;
  };
  assert.match(await start(), /tls_cert = \S+live: holds no folder with fullchain\.pem and privkey\.pem/);
  live.put('broken.example', 'broken', 'no certificate');
  assert.match(
    await start(),
    /tls_cert: \S+broken\.example\/fullchain\.pem: .*a PEM certificate chain and its key are needed/,
  );
});

test('swaks is shown the certificate that it asks for', async (t) => {
  if (!needPeer(t, 'swaks')) return;
  const mx = await Mx.start({ certificates: [first, several] });
  t.after(() => mx.close());
  for (const [words, subject] of [
    [[], 'mx.test.example'],
    [['--tls-sni', 'x.c.example'], 'several.example'],
  ] as const) {
    const argv = ['--server', '127.0.0.1', '--port', String(mx.port), '--tls', '--quit-after', 'EHLO', ...words];
    const swaks = spawn('swaks', [...argv, '--to', 'alice@example.com'], { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [swaks.stdout, swaks.stderr])
      stream.on('data', (octets: Buffer) => (output += String(octets)));
    await new Promise((resolve) => swaks.once('close', resolve));
    assert.match(output, new RegExp(`CN ?= ?${subject.replaceAll('.', '\\.')}`));
  }
});
