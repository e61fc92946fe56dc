/** A reply too many is none to the next mail, though that has the same connection, and turns end early. */
import assert from 'node:assert/strict';
import net, { type AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { createSecureContext, TLSSocket } from 'node:tls';
import { openRelay } from '../../src/relay/relay.js';
import { atTurnEnd, dealtWith } from '../../src/turn-end.js';
import { makeCertificate } from '../support/certificate.js';
import { quietTurns } from '../support/quiet-turns.js';
import { request } from './support/requests.js';
import { destinations } from './support/with-relay.js';

const secureContext = createSecureContext(makeCertificate('mta.example'));
const tooMany = '550 5.7.1 said too often\r\n';

/** What the MTA says behind the first message: its yes, and a reply too many. */
type Ending = (socket: net.Socket) => void;

class TwiceTold {
  connections = 0;
  #messages = 0;
  readonly #ending: Ending;

  constructor(ending: Ending) {
    this.#ending = ending;
  }

  serve(socket: net.Socket): void {
    this.connections++;
    this.#talk(socket, 'STARTTLS');
    socket.write('220 mta ESMTP\r\n');
  }

  #talk(socket: net.Socket, offer: string): void {
    let isText = false;
    const hear = (octets: Buffer): void => {
      for (const line of octets.toString('latin1').split('\r\n').slice(0, -1)) {
        if (line === 'STARTTLS') return this.#shakeHands(socket.off('data', hear));
        if (isText && line !== '.') continue;
        isText = line === 'DATA';
        if (line === '.' && ++this.#messages === 1) this.#ending(socket);
        else
          socket.write(
            isText
              ? '354 go\r\n'
              : line.startsWith('EHLO')
                ? `250-mta\r\n250-${offer}\r\n250 PIPELINING\r\n`
                : '250 ok\r\n',
          );
      }
      return undefined;
    };
    socket.on('error', () => undefined).on('data', hear);
  }

  #shakeHands(socket: net.Socket): void {
    socket.write('220 go\r\n');
    this.#talk(new TLSSocket(socket, { isServer: true, secureContext }), 'HELP');
  }
}

async function listening(t: TestContext, serve: (socket: net.Socket) => void): Promise<number> {
  const server = net.createServer({ noDelay: true }, serve).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  t.after(() => void server.close());
  return (server.address() as AddressInfo).port;
}

/** Hands on what is said to the client within a moment in one segment. */
const gathering =
  (port: number) =>
  (client: net.Socket): void => {
    const mta = net.connect(port, '127.0.0.1');
    let held: Buffer[] = [];
    const handOn = (): void => {
      client.write(Buffer.concat(held));
      held = [];
    };
    mta.on('data', (octets) => {
      if (held.length === 0) setTimeout(handOn, 20);
      held.push(octets);
    });
    client.on('data', (octets) => void mta.write(octets));
    client.on('close', () => mta.destroy()).on('error', () => undefined);
    mta.on('close', () => client.destroy()).on('error', () => undefined);
  };

/** Two mails, of which the second waits for the connection of the first. */
async function secondMail(t: TestContext, words: string, ending: Ending): Promise<void> {
  const mta = new TwiceTold(ending);
  const port = await listening(t, gathering(await listening(t, (socket) => mta.serve(socket))));
  const to = destinations(`127.0.0.1:${port} ${words}`);
  const relay = openRelay({ destinations: to, hostname: 'postern.example', connections: 1, timeoutMs: 20_000 });
  t.after(() => relay.close());
  await quietTurns();
  const sent = async (): Promise<string> => {
    const { kind } = await relay.send(request());
    // As a connection does that tells its client.
    atTurnEnd(() => {});
    dealtWith();
    return kind;
  };
  assert.deepEqual(await Promise.all([sent(), sent()]), ['accepted', 'accepted']);
  assert.equal(mta.connections, 2, 'the first has said what nobody asked for');
}

test('a reply too many behind one that fills what is read at once', async (t) => {
  const yes = '250 queued\r\n';
  const longYes = `250-${'x'.repeat(8_192 - yes.length - '250-\r\n'.length)}\r\n${yes}`;
  await secondMail(t, '', (socket) => socket.write(longYes + tooMany));
});

test('a reply too many in a TLS record of its own', async (t) => {
  await secondMail(t, 'tls=may', (socket) => {
    socket.write('250 queued\r\n');
    socket.write(tooMany);
  });
});
