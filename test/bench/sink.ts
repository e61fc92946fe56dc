/**
 * The local MTA of the benchmark, in a process of its own: takes every mail, keeps none, and counts. As cheap as it can
 * be, so that the server in front of it is what is measured. Its parent is told the port, and the count when it asks.
 */
import net from 'node:net';

const endOfData = Buffer.from('\r\n.\r\n');
const endOfLine = Buffer.from('\r\n');
const ehlo = ['sink.example', 'PIPELINING', 'SIZE 67108864', '8BITMIME', 'ENHANCEDSTATUSCODES', 'SMTPUTF8'];
const ehloReply = ehlo.map((line, i) => `250${i < ehlo.length - 1 ? '-' : ' '}${line}\r\n`).join('');

let mails = 0;

class SinkConnection {
  readonly #socket: net.Socket;
  #inData = false;
  #quitting = false;
  #rest: Buffer = Buffer.alloc(0);

  constructor(socket: net.Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('error', () => socket.destroy());
    socket.on('data', (octets) => this.#read(octets));
    socket.write('220 sink.example ESMTP\r\n');
  }

  /** All replies to one chunk go out in one write. */
  #read(octets: Buffer): void {
    let rest = this.#rest.length > 0 ? Buffer.concat([this.#rest, octets]) : octets;
    let replies = '';
    for (;;) {
      const separator = this.#inData ? endOfData : endOfLine;
      const end = rest.indexOf(separator);
      if (end < 0) break;
      replies += this.#inData ? this.#mailEnded() : this.#replyTo(rest.toString('latin1', 0, end));
      rest = rest.subarray(end + separator.length);
    }
    // Only what might begin the end of a message is kept.
    this.#rest = this.#inData ? rest.subarray(-(endOfData.length - 1)) : rest;
    if (replies !== '') this.#socket.write(replies);
    if (this.#quitting) this.#socket.end();
  }

  #mailEnded(): string {
    this.#inData = false;
    mails++;
    return '250 2.0.0 Ok: dropped\r\n';
  }

  #replyTo(line: string): string {
    switch (line.slice(0, 4).trimEnd().toUpperCase()) {
      case 'EHLO':
        return ehloReply;
      case 'DATA':
        this.#inData = true;
        return '354 End data with <CR><LF>.<CR><LF>\r\n';
      case 'QUIT':
        this.#quitting = true;
        return '221 2.0.0 Bye\r\n';
      default:
        return '250 2.0.0 Ok\r\n';
    }
  }
}

const server = net.createServer((socket) => void new SinkConnection(socket));
server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as net.AddressInfo).port }));
process.on('message', () => process.send?.({ mails }));
process.on('disconnect', () => process.exit());
