/** The MTA's side of the milter protocol, for tests: packets to send, answers to read; without a socket or over one. */
import net from 'node:net';
import { errorText } from '../../src/mail/error-text.js';
import type { MilterPolicy } from '../../src/milter/policy.js';
import { preparePolicy } from '../../src/milter/negotiation.js';
import { MilterSession, type Outlet } from '../../src/milter/session.js';
import { inTime } from './until.js';

/** Strings are octets, one to a character. */
export function packet(code: string, data: string | Buffer = ''): Buffer {
  const octets = Buffer.concat([Buffer.from(code, 'latin1'), Buffer.from(data as string, 'latin1')]);
  return Buffer.concat([uint32(octets.length), octets]);
}

export function uint32(value: number): Buffer {
  const octets = Buffer.alloc(4);
  octets.writeUInt32BE(value);
  return octets;
}

const nul = (...strings: readonly string[]): string => strings.map((text) => `${text}\0`).join('');

export const allActions = 0x1ff;
export const allProtocol = 0x1fffff;

export const negotiate = (version = 6, actions = allActions, protocol = allProtocol): Buffer =>
  packet('O', Buffer.concat([uint32(version), uint32(actions), uint32(protocol)]));
export const connect = (address = '192.0.2.1', name = 'client.example'): Buffer =>
  packet('C', `${name}\0${address.includes(':') ? '6' : '4'}\x04\x01${address}\0`);
export const helo = (name = 'client.example'): Buffer => packet('H', nul(name));
export const mail = (path = '<a@example.net>', ...parameters: readonly string[]): Buffer =>
  packet('M', nul(path, ...parameters));
export const rcpt = (path = '<b@example.com>', ...parameters: readonly string[]): Buffer =>
  packet('R', nul(path, ...parameters));
export const data = packet('T');
export const header = (name = 'Subject', value = 'hello'): Buffer => packet('L', nul(name, value));
export const eoh = packet('N');
export const body = (text = 'body\r\n'): Buffer => packet('B', text);
export const eom = (text = ''): Buffer => packet('E', text);
export const unknown = (line = 'FOO bar'): Buffer => packet('U', nul(line));
export const macros = (command: string, ...pairs: readonly string[]): Buffer =>
  packet('D', `${command}${nul(...pairs)}`);
export const abort = packet('A');
export const quit = packet('Q');
export const nextSession = packet('K');

/** A usual session up to the recipient, and a usual message behind it. */
export const opening = Buffer.concat([negotiate(), connect(), helo()]);
export const message = Buffer.concat([mail(), rcpt(), data, header(), eoh, body(), eom()]);

/** Answers as `code` + data, NUL as `|`; a number of four octets before them stands as `[n]`. */
export function answersIn(octets: Buffer): string[] {
  const answers: string[] = [];
  for (let at = 0; at < octets.length;) {
    const length = octets.readUInt32BE(at);
    const code = octets.toString('latin1', at + 4, at + 5);
    const rest = octets.subarray(at + 5, at + 4 + length);
    if (rest.length !== length - 1) throw new Error('the answers end within a frame');
    answers.push(code + dataText(code, rest));
    at += 4 + length;
  }
  return answers;
}

function dataText(code: string, rest: Buffer): string {
  const text = (from: number): string => rest.toString('latin1', from).replaceAll('\0', '|');
  if (code === 'i' || code === 'm') return `[${rest.readUInt32BE(0)}]${text(4)}`;
  if (code !== 'O') return text(0);
  const numbers = [0, 4, 8].map((at) => `0x${rest.readUInt32BE(at).toString(16)}`);
  let lists = '';
  for (let at = 12; at < rest.length;) {
    const end = rest.indexOf(0, at + 4);
    lists += ` ${rest.readUInt32BE(at)}:${rest.toString('latin1', at + 4, end)}`;
    at = end + 1;
  }
  return ` ${numbers.join(' ')}${lists}`;
}

/** A session without a socket, and all that it says. */
export class Talk<S, T> implements Outlet {
  readonly session: MilterSession<S, T>;
  readonly writes: Buffer[] = [];
  readonly failures: string[] = [];
  closed = false;
  dropped: string | undefined;

  constructor(policy: MilterPolicy<S, T>) {
    this.session = new MilterSession(preparePolicy(policy), this);
  }

  /** Sends all of it as one read. */
  send(...octets: readonly Buffer[]): this {
    this.session.receive(Buffer.concat(octets));
    return this;
  }

  get answers(): string[] {
    return answersIn(Buffer.concat(this.writes));
  }

  /** The answers since the last time. */
  said(): string[] {
    const { answers } = this;
    this.writes.length = 0;
    return answers;
  }

  write(octets: Buffer): void {
    if (this.closed || this.dropped !== undefined) throw new Error('written behind the end');
    this.writes.push(octets);
  }

  close(): void {
    this.closed = true;
  }

  drop(problem: string): void {
    this.dropped = problem;
  }

  failed(event: string, error: unknown): void {
    this.failures.push(`${event}: ${errorText(error)}`);
  }

  resumed(): void {}
}

/** Lets promises that are settled be heard. */
export const settled = (): Promise<void> => new Promise((done) => setImmediate(done));

/** An MTA on a socket. */
export class Mta {
  readonly socket: net.Socket;
  #received = Buffer.alloc(0);
  /** Octets of each read that had any. */
  readonly reads: number[] = [];
  closed = false;
  #wake: () => void = () => {};

  constructor(where: { path: string } | { host: string; port: number }) {
    this.socket = net.connect(where);
    this.socket.on('data', (octets) => {
      this.reads.push(octets.length);
      this.#received = Buffer.concat([this.#received, octets]);
      this.#wake();
    });
    this.socket.on('error', () => {});
    this.socket.on('close', () => {
      this.closed = true;
      this.#wake();
    });
  }

  send(...octets: readonly Buffer[]): void {
    this.socket.write(Buffer.concat(octets));
  }

  /** That many answers, those that were there before among them; fewer when the connection ends. */
  async answers(count: number): Promise<string[]> {
    while (!this.closed && this.#whole().length < count) await this.#change();
    return this.#whole();
  }

  async ended(): Promise<void> {
    while (!this.closed) await this.#change();
  }

  #change(): Promise<void> {
    const changed = new Promise<void>((wake) => {
      this.#wake = wake;
    });
    return inTime(changed, 'the filter says something');
  }

  #whole(): string[] {
    let end = 0;
    while (end + 4 <= this.#received.length && end + 4 + this.#received.readUInt32BE(end) <= this.#received.length)
      end += 4 + this.#received.readUInt32BE(end);
    return answersIn(this.#received.subarray(0, end));
  }
}
