/** A client for the demo: says one line at a time, as a person with telnet would, and hears one reply. */
import net from 'node:net';

export class SmtpClient {
  readonly #socket: net.Socket;
  #text = '';
  #hear: (() => void) | undefined;
  #gone: Error | undefined;

  constructor(host: string, port: number) {
    this.#socket = net.connect({ host, port });
    this.#socket.setNoDelay(true);
    this.#socket.on('data', (octets) => {
      this.#text += octets.toString('latin1');
      this.#hear?.();
    });
    this.#socket.on('error', (error) => this.#end(error));
    this.#socket.on('close', () => this.#end(new Error('the connection was closed')));
  }

  #end(error: Error): void {
    this.#gone ??= error;
    this.#hear?.();
  }

  /** The next reply, its lines joined; rejects when the connection is gone before it came. */
  async reply(): Promise<string> {
    for (;;) {
      const whole = /^(?:\d{3}-[^\n]*\n)*\d{3}(?: [^\n]*)?\r?\n/.exec(this.#text)?.[0];
      if (whole !== undefined) {
        this.#text = this.#text.slice(whole.length);
        return whole.trimEnd();
      }
      if (this.#gone) throw this.#gone;
      await new Promise<void>((resolve) => {
        this.#hear = resolve;
      });
    }
  }

  /** Sends a line (or, with its final dot, a message) and hears the reply. */
  say(line: string): Promise<string> {
    this.#socket.write(`${line}\r\n`);
    return this.reply();
  }

  end(): void {
    this.#socket.destroy();
  }
}
