/**
 * The opening of a connection: greeting, EHLO or LHLO, STARTTLS. Leaves what is said behind it to transaction.ts.
 */
import net from 'node:net';
import tls from 'node:tls';
import { errorText } from '../../mail/error-text.js';
import type { Destination } from '../destination/destination.js';
import { ConnectionLost, MtaConnection, type MtaConnectionOptions, WrongServer } from './mta-connection.js';
import { mtaReplyText, type MtaReply } from './mta-reply.js';

export interface OpeningOptions extends MtaConnectionOptions {
  /** Who vouches for destinations with `tls=must`; those that Node trusts where it is not given. May throw. */
  readonly trusted?: () => tls.SecureContext;
  /** What does not stop the mail. */
  report?(problem: string): void;
}

/** Hands could not be shaken: whoever may do without TLS tries that. */
class NoHandshake extends ConnectionLost {}

const connectMs = 5_000;

/**
 * Resolves behind the reply to EHLO, over TLS where that is wanted; rejects with ConnectionLost. `made` gets each
 * connection before it opens, to drop it when time is over.
 */
export async function openConnection(
  options: OpeningOptions,
  made: (connection: MtaConnection) => void,
): Promise<MtaConnection> {
  try {
    return await opened(options, made);
  } catch (error) {
    const { destination } = options;
    if (!(error instanceof NoHandshake) || destination.tls !== 'may') throw error;
    options.report?.(`${destination.text}: without TLS, for ${error.message}`);
    return opened({ ...options, destination: { ...destination, tls: 'no' } }, made);
  }
}

async function opened(options: OpeningOptions, made: (connection: MtaConnection) => void): Promise<MtaConnection> {
  const connection = new MtaConnection(options);
  made(connection);
  const { timeoutMs, hostname } = options;
  const unconnected = setTimeout(() => connection.close(`no connection within ${connectMs} ms`), connectMs).unref();
  const late = setTimeout(() => connection.close(lateText(connection, timeoutMs)), timeoutMs).unref();
  connection.whenConnected(() => clearTimeout(unconnected));
  try {
    const greeting = await connection.reply();
    if (greeting.code !== 220) throw connection.drop(`the MTA greeted with ${mtaReplyText(greeting)}`);
    connection.greeting = greeting.text;
    if (isOurselves(greeting.text, hostname))
      throw wrongServer(connection, 'it is postern itself: mail would go round for ever');
    await introduce(connection, hostname);
    if (options.destination.tls !== 'no') await secure(connection, options);
    return connection;
  } finally {
    clearTimeout(unconnected);
    clearTimeout(late);
  }
}

const lateText = ({ greeting }: MtaConnection, timeoutMs: number): string =>
  `no ${greeting === '' ? 'greeting' : 'answer to EHLO'} within ${timeoutMs} ms`;

/** As smtp/connection greets. Another postern behind us has a name of its own. */
const isOurselves = (greeting: string, hostname: string): boolean => greeting === `${hostname} ESMTP postern`;

async function introduce(connection: MtaConnection, hostname: string): Promise<void> {
  const answer = await connection.introduce();
  if (answer.code === 250) return;
  if (connection.destination.protocol === 'lmtp') {
    const problem = `LHLO was answered ${mtaReplyText(answer)}`;
    throw isUnknownCommand(answer) ? wrongServer(connection, `${problem}: is it SMTP?`) : connection.drop(problem);
  }
  // RFC 5321 §3.2: an old server knows HELO. One that says 4xx knows EHLO, and cannot now.
  const old = answer.code < 500 ? undefined : await connection.ask(`HELO ${hostname}`);
  if (old?.code === 250) return;
  const problem = `EHLO was answered ${mtaReplyText(answer)}, HELO ${said(old)}`;
  throw isUnknownCommand(answer) ? wrongServer(connection, `${problem}: is it LMTP?`) : connection.drop(problem);
}

const wrongServer = (connection: MtaConnection, problem: string): WrongServer =>
  new WrongServer(connection.drop(problem).message);

const said = (answer: MtaReply | undefined): string => (answer ? mtaReplyText(answer) : 'nothing');

/** LMTP has LHLO and knows neither EHLO nor HELO, and SMTP the other way round (RFC 2033 §4.1). */
const isUnknownCommand = ({ code }: MtaReply): boolean => code === 500 || code === 502;

async function secure(connection: MtaConnection, options: OpeningOptions): Promise<void> {
  const { destination } = options;
  const isMust = destination.tls === 'must';
  const offered = connection.offers.extensions.has('STARTTLS');
  const answer = offered ? await connection.ask('STARTTLS') : undefined;
  if (answer?.code === 220) {
    await connection.secure((socket) => shakeHands(socket, destination, options.trusted));
    const anew = await connection.introduce();
    if (anew.code !== 250) throw connection.drop(`behind STARTTLS, EHLO was answered ${mtaReplyText(anew)}`);
  } else if (isMust) {
    throw connection.drop(offered ? `STARTTLS was answered ${said(answer)}` : 'it offers no STARTTLS, and tls=must');
  }
}

/** OpenSSL says where in its sources it stumbled, and in which thread. */
const handshakeProblem = (error: Error): string =>
  errorText(error)
    .replace(/^[0-9A-F]+:error:[0-9A-F]+:/, '')
    .replace(/:[^:]*\.c:\d+:\s*$/, '');

/** RFC 3207 §4. The certificate counts for `must` alone: whoever would go on without TLS need not ask who it is. */
async function shakeHands(
  socket: net.Socket,
  { at, tls: use }: Destination,
  trusted: OpeningOptions['trusted'],
): Promise<tls.TLSSocket> {
  const host = at.kind === 'tcp' ? at.host : '';
  const secured = tls.connect({
    socket,
    host,
    // RFC 6066 §3: addresses are no server names.
    ...(net.isIP(host) === 0 && { servername: host }),
    rejectUnauthorized: use === 'must',
    ...(use === 'must' && trusted && { secureContext: trusted() }),
  });
  return new Promise((resolve, reject) => {
    const fail = (problem: string): void => {
      socket.destroy();
      reject(new NoHandshake(problem));
    };
    secured.once('error', (error) => fail(`${use === 'must' ? 'tls=must: ' : ''}${handshakeProblem(error)}`));
    secured.once('close', () => fail('the handshake was broken off'));
    secured.once('secureConnect', () => {
      secured.removeAllListeners('close');
      resolve(secured);
    });
  });
}
