/**
 * The line that everything is compared with, as a process: npm smtp-server that takes any mail and hands it on over a
 * pool of nodemailer's SMTPConnection. No check, no log, no field of its own; it greets at once, without the library's
 * delay and its reverse look-up, and believes PROXY headers. Mail to `nobody@` it keeps in a maildir instead, its file
 * and folder fsynced, and answers 550.
 *
 *     bare.js PORT SINK-PORT FOLDER       FOLDER holds cert.pem, key.pem and the maildir
 */
import { mkdirSync, readFileSync } from 'node:fs';
import { open, rename } from 'node:fs/promises';
import type net from 'node:net';
import { join } from 'node:path';
import SmtpClient from 'nodemailer/lib/smtp-connection';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';
import { SMTPConnection, type SMTPConnectionOptions } from 'smtp-server/lib/smtp-connection.js';

const [port = 0, sinkPort = 0] = process.argv.slice(2, 4).map(Number);
const folder = process.argv[4] ?? '';
const maildir = join(folder, 'maildir');
for (const name of ['tmp', 'new', 'cur']) mkdirSync(join(maildir, name), { recursive: true });

const idle: SmtpClient[] = [];

function connect(): Promise<SmtpClient> {
  const client = new SmtpClient({ host: '127.0.0.1', port: sinkPort, name: 'mx.bench.example', ignoreTLS: true });
  return new Promise((resolve, reject) => {
    client.on('error', reject);
    client.connect(() => resolve(client));
  });
}

async function handOn(envelope: { readonly from: string; readonly to: string[] }, message: Buffer): Promise<void> {
  const client = idle.pop() ?? (await connect());
  await new Promise<void>((resolve, reject) => {
    client.send(envelope, message, (error) => (error ? reject(error) : resolve()));
  });
  idle.push(client);
}

let kept = 0;

async function keep(message: Buffer): Promise<void> {
  const name = `${Date.now()}.${process.pid}_${kept++}.bench`;
  const file = await open(join(maildir, 'tmp', name), 'wx', 0o600);
  await file.write(message);
  await file.sync();
  await file.close();
  await rename(join(maildir, 'tmp', name), join(maildir, 'new', name));
  const directory = await open(join(maildir, 'new'), 'r');
  await directory.sync();
  await directory.close();
}

/** What becomes of a mail; the error is the reply. */
async function settle(to: string[], from: string, message: Buffer): Promise<Error | undefined> {
  if (to[0]?.startsWith('nobody@') !== true) {
    await handOn({ from, to }, message);
    return undefined;
  }
  await keep(message);
  return Object.assign(new Error('Refused'), { responseCode: 550 });
}

/** Without the delay that has no option. */
class PromptConnection extends SMTPConnection {
  override init(): void {
    this._setListeners(() => this.connectionReady());
  }
}

class PromptServer extends SMTPServer {
  override connect(socket: net.Socket, options?: SMTPConnectionOptions): void {
    const connection = new PromptConnection(this, socket, options ?? null);
    this.connections.add(connection);
    connection.on('error', (error) => this._onError(error));
    connection.init();
  }
}

const options: SMTPServerOptions = {
  name: 'mx.bench.example',
  disabledCommands: ['AUTH'],
  authOptional: true,
  disableReverseLookup: true,
  useProxy: true,
  cert: readFileSync(join(folder, 'cert.pem')),
  key: readFileSync(join(folder, 'key.pem')),
  onData(stream, { envelope }, done) {
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => void chunks.push(chunk));
    stream.on('end', () => {
      const from = envelope.mailFrom === false ? '' : envelope.mailFrom.address;
      const to = envelope.rcptTo.map(({ address }) => address);
      settle(to, from, Buffer.concat(chunks)).then((error) => done(error), done);
    });
  },
};

const server = new PromptServer(options);
server.on('error', () => undefined);
server.listen(port, '127.0.0.1');
