/**
 * The line that everything is compared with, as a process: npm smtp-server that takes any mail and hands it on over a
 * pool of nodemailer's SMTPConnection. No check, no log, no field of its own.
 *
 *     bare.js PORT SINK-PORT          greets at once
 *     bare.js PORT SINK-PORT stock    as the library comes: greets after 100 ms and a reverse look-up
 */
import type net from 'node:net';
import SmtpClient from 'nodemailer/lib/smtp-connection';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';
import { SMTPConnection, type SMTPConnectionOptions } from 'smtp-server/lib/smtp-connection.js';

const [port = 0, sinkPort = 0] = process.argv.slice(2, 4).map(Number);
const stock = process.argv[4] === 'stock';

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

/** Without the delay that has no option, and without the reverse look-up that has one. */
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
  disabledCommands: ['AUTH', 'STARTTLS'],
  authOptional: true,
  ...(!stock && { disableReverseLookup: true }),
  onData(stream, { envelope }, done) {
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => void chunks.push(chunk));
    stream.on('end', () => {
      const from = envelope.mailFrom === false ? '' : envelope.mailFrom.address;
      const to = envelope.rcptTo.map(({ address }) => address);
      handOn({ from, to }, Buffer.concat(chunks)).then(() => done(), done);
    });
  },
};

const server = stock ? new SMTPServer(options) : new PromptServer(options);
server.on('error', () => undefined);
server.listen(port, '127.0.0.1');
