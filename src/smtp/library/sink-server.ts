/**
 * npm smtp-server (3.21.6) with its own connections, for the trial's local MTA alone: nothing that a stranger says
 * comes here. Leaves what is done with mail to trial/sink.ts.
 */
import type net from 'node:net';
import { SMTPConnection, type SMTPConnectionOptions } from 'smtp-server/lib/smtp-connection.js';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';
import { parsePathArgument, type Path } from '../../mail/address.js';

export type { SMTPServerDataStream, SMTPServerSession } from 'smtp-server';

/** `onError` is told of clients that go away without QUIT; without it they would end the process. */
export interface SinkServerOptions extends Required<Pick<SMTPServerOptions, 'name' | 'size' | 'onRcptTo' | 'onData'>> {
  readonly onError: (error: Error) => void;
}

export class SinkServer extends SMTPServer {
  constructor({ onError, ...options }: SinkServerOptions) {
    super({
      ...options,
      banner: 'postern trial sink',
      useXForward: true,
      // Neither passwords nor the library's published certificate.
      authOptional: true,
      disabledCommands: ['AUTH', 'STARTTLS', 'WIZ', 'SHELL', 'KILL'],
      hideSTARTTLS: true,
      disableReverseLookup: true,
      noDelay: true, // replies to a pipelined envelope are several writes
      logger: false,
      closeTimeout: 2_000,
    });
    this.on('error', onError);
  }

  override connect(socket: net.Socket, options?: SMTPConnectionOptions): void {
    const connection = new SinkConnection(this, socket, options);
    this.connections.add(connection);
    connection.on('error', (error: Error) => this.emit('error', error));
    connection.init();
  }

  /** Waits for messages under way; connections without one are closed at once. */
  stop(): Promise<void> {
    const done = new Promise<void>((resolve) => this.close(() => resolve()));
    for (const connection of this.connections) if (!connection._dataStream) connection.send(421, 'sink is stopping');
    return done;
  }
}

class SinkConnection extends SMTPConnection {
  /** The library waits 100 ms before its greeting, without an option. */
  override init(): void {
    this._setListeners(() => this.connectionReady());
  }

  /** The library cuts at spaces, so it has no `"a b"@example.com`, and decodes domains. We show what came. */
  override _parseAddressCommand(name: string, command: Buffer): ReturnType<SMTPConnection['_parseAddressCommand']> {
    const colon = command.indexOf(':') + 1;
    const parsed = parsePathArgument(Buffer.from(command.subarray(colon).toString('latin1').trim(), 'latin1'));
    const verb = command
      .subarray(0, Math.max(0, colon - 1))
      .toString('latin1')
      .trim();
    if (!parsed.ok || verb.toUpperCase() !== name.toUpperCase()) return false;
    return { address: pathText(parsed.value.path), args: Object.fromEntries(parsed.value.parameters) };
  }
}

function pathText(parsed: Path): string {
  switch (parsed.kind) {
    case 'null':
      return '';
    case 'postmaster':
      return 'postmaster';
    case 'mailbox':
      return parsed.address.text;
  }
}
