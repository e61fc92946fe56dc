/**
 * The load generator: so many mails in all over so many connections at once, each of which sends some and quits, and
 * another takes its place. To 127.0.0.1 only. Commands go one by one, or MAIL, RCPT and DATA in one write (RFC 2920).
 */
import net from 'node:net';
import tls from 'node:tls';

export interface Load {
  readonly port: number;
  readonly connections: number;
  readonly mailsPerConnection: number;
  /** Octets of a mail, its header included. */
  readonly size: number;
  readonly recipient: string;
  /** Mails in all. */
  readonly count: number;
  /** What the end of data has to be answered with. */
  readonly answer: 'accepted' | 'rejected';
  /** MAIL, RCPT and DATA are one write. */
  readonly pipelined?: boolean;
  /** Each connection says STARTTLS; all but the first resume its session, or none does. */
  readonly tls?: 'full' | 'resumed' | undefined;
  /** A PROXY header says that the connection is from one of these addresses, in turn (IPv4). */
  readonly from?: readonly string[] | undefined;
}

export interface LoadResult {
  /** From the first connection to the last reply. */
  readonly seconds: number;
  /** Milliseconds from MAIL to the final reply, for each mail. */
  readonly latencies: readonly number[];
}

const max = { connections: 500, mailsPerConnection: 100_000, size: 16_777_216, count: 1_000_000 } as const;
/** Longest wait for a reply. */
const patienceMs = 30_000;

/** Rejects at the first reply that is not the one expected, or when a connection breaks. */
export async function runLoad(load: Load): Promise<LoadResult> {
  for (const [name, limit] of Object.entries(max)) {
    const value = load[name as keyof typeof max];
    if (!(value > 0 && value <= limit)) throw new RangeError(`${name} must be above 0 and at most ${limit}`);
  }
  const run = new Run(load);
  if (load.tls === 'resumed') await run.beginSession();
  await Promise.all(Array.from({ length: load.connections }, () => run.keepOneConnection()));
  return { seconds: run.lastReplyAfter(), latencies: run.latencies };
}

class Run {
  readonly load: Load;
  readonly latencies: number[] = [];
  readonly #start = performance.now();
  readonly #body: Buffer;
  #last = this.#start;
  #begun = 0;
  #mails = 0;
  #connections = 0;
  #failed = false;
  /** The TLS session that connections resume. */
  session: Buffer | undefined;

  constructor(load: Load) {
    this.load = load;
    this.#body = bodyOf(load.size - this.header().length);
  }

  /** One more mail; false where there have been enough. */
  begin(): boolean {
    if (this.#failed || this.#begun === this.load.count) return false;
    this.#begun++;
    return true;
  }

  /** What a new connection says before all else. */
  proxyHeader(): string {
    const { from = [] } = this.load;
    const address = from[this.#connections++ % from.length];
    return address === undefined ? '' : `PROXY TCP4 ${address} 127.0.0.1 40000 25\r\n`;
  }

  async keepOneConnection(): Promise<void> {
    try {
      while (!this.#failed && this.#begun < this.load.count) await new Client(this).done;
    } catch (error) {
      this.#failed = true;
      throw error;
    }
  }

  /** One connection, whose TLS session those behind it resume. */
  async beginSession(): Promise<void> {
    const first = new Client(this);
    this.session = await first.session;
    await first.done;
  }

  lastReplyAfter(): number {
    return (this.#last - this.#start) / 1000;
  }

  answered(since: number): void {
    this.#last = performance.now();
    this.latencies.push(this.#last - since);
  }

  /** Each mail has a Message-ID of its own. */
  header(): string {
    return header.replace('TO', this.load.recipient).replace('ID', String(++this.#mails).padStart(8, '0'));
  }

  get body(): Buffer {
    return this.#body;
  }
}

const sender = 'sender@client.example';

const header = [
  `From: Bench <${sender}>`,
  'To: <TO>',
  'Subject: bench',
  `Date: ${new Date().toUTCString().replace('GMT', '+0000')}`,
  `Message-ID: <${process.pid}.ID@client.example>`,
  'MIME-Version: 1.0',
  'Content-Type: text/plain; charset=us-ascii',
  '',
  '',
].join('\r\n');

/** Lines of 76 characters, and the end of data. */
function bodyOf(size: number): Buffer {
  const line = `${'abcdefghijklmnopqrstuvwxyz 0123456789 '.repeat(2)}\r\n`;
  return Buffer.from(`${line.repeat(Math.max(1, Math.round(size / line.length)))}.\r\n`, 'latin1');
}

type Stage = 'greeting' | 'starttls' | 'helo' | 'mail' | 'rcpt' | 'data' | 'end' | 'quit';

/** What each stage has to be answered with. */
const expected: Readonly<Record<Stage, RegExp>> = {
  greeting: /^220/,
  starttls: /^220/,
  helo: /^250/,
  mail: /^250/,
  rcpt: /^250/,
  data: /^354/,
  end: /^250/,
  quit: /^221/,
};

/** One connection, from its greeting to the end of its QUIT. */
class Client {
  readonly done: Promise<void>;
  /** Its TLS session, for later ones. */
  readonly session: Promise<Buffer>;
  readonly #run: Run;
  #socket: net.Socket;
  #secured = false;
  #keepSession: (session: Buffer) => void = () => undefined;
  #stage: Stage = 'greeting';
  #text = '';
  #left: number;
  #begun = 0;
  #settle: (error?: Error) => void = () => undefined;

  constructor(run: Run) {
    this.#run = run;
    this.#left = run.load.mailsPerConnection;
    this.#socket = net.connect({ host: '127.0.0.1', port: run.load.port, noDelay: true });
    this.done = new Promise((resolve, reject) => {
      this.#settle = (error) => (error ? reject(error) : resolve());
    });
    this.session = new Promise((resolve, reject) => {
      this.#keepSession = resolve;
      this.done.catch(reject);
    });
    this.session.catch(() => undefined);
    const proxy = run.proxyHeader();
    if (proxy !== '') this.#socket.write(proxy);
    this.#listen(this.#socket);
  }

  #listen(socket: net.Socket): void {
    socket.setEncoding('latin1');
    socket.setTimeout(patienceMs, () => this.#fail(`no reply within ${patienceMs} ms`));
    socket.on('data', (text: string) => this.#hear(text));
    socket.on('error', (error) => this.#fail(error.message));
    socket.on('close', () => this.#fail('the connection was closed'));
  }

  #shakeHands(): void {
    const { session } = this.#run;
    const plain = this.#socket.removeAllListeners('data').removeAllListeners('close');
    const secured = tls.connect({ socket: plain, rejectUnauthorized: false, ...(session && { session }) }, () => {
      if (session !== undefined && !secured.isSessionReused()) return this.#fail('the session was not resumed');
      this.#secured = true;
      return this.#say('helo', 'EHLO client.example');
    });
    secured.on('session', (fresh: Buffer) => this.#keepSession(fresh));
    this.#socket = secured;
    this.#listen(secured);
  }

  /** What comes once all is settled changes nothing any more. */
  #fail(problem: string): void {
    this.#settle(new Error(`at ${this.#stage}: ${problem}`));
    this.#socket.destroy();
  }

  #hear(text: string): void {
    this.#text += text;
    for (let reply = this.#reply(); reply !== undefined; reply = this.#reply()) {
      const wanted = this.#stage === 'end' && this.#run.load.answer === 'rejected' ? /^5/ : expected[this.#stage];
      if (!wanted.test(reply)) return this.#fail(`unexpected reply ${JSON.stringify(reply)}`);
      this.#next();
    }
  }

  /** The next whole reply. */
  #reply(): string | undefined {
    const reply = /^(?:\d{3}-[^\n]*\n)*\d{3}(?: [^\n]*)?\n/.exec(this.#text)?.[0];
    this.#text = this.#text.slice(reply?.length ?? 0);
    return reply;
  }

  #next(): void {
    switch (this.#stage) {
      case 'greeting':
        return this.#say('helo', 'EHLO client.example');
      case 'helo':
        return this.#run.load.tls && !this.#secured ? this.#say('starttls', 'STARTTLS') : this.#nextMail();
      case 'starttls':
        return this.#shakeHands();
      case 'mail':
        return this.#say('rcpt', `RCPT TO:<${this.#run.load.recipient}>`);
      case 'rcpt':
        return this.#say('data', 'DATA');
      case 'data':
        return this.#sendMessage();
      case 'end':
        this.#run.answered(this.#begun);
        return this.#nextMail();
      case 'quit':
        this.#settle();
        return void this.#socket.destroy();
    }
  }

  #nextMail(): void {
    if (this.#left-- <= 0 || !this.#run.begin()) return this.#say('quit', 'QUIT');
    this.#begun = performance.now();
    this.#say('mail', `MAIL FROM:<${sender}>`);
  }

  #sendMessage(): void {
    this.#stage = 'end';
    this.#socket.cork();
    this.#socket.write(this.#run.header(), 'latin1');
    this.#socket.write(this.#run.body);
    this.#socket.uncork();
  }

  /** What was said in the write of MAIL already is only waited for. */
  #say(stage: Stage, line: string): void {
    this.#stage = stage;
    const { pipelined = false, recipient } = this.#run.load;
    if (!pipelined || stage === 'helo' || stage === 'starttls' || stage === 'quit') this.#socket.write(`${line}\r\n`);
    else if (stage === 'mail') this.#socket.write(`${line}\r\nRCPT TO:<${recipient}>\r\nDATA\r\n`);
  }
}
