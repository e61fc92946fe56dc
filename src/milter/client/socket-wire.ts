/**
 * The socket to one filter: frames out, frames in, each waited for no longer than its time. The only file of the client
 * that knows sockets. What frames mean is `conversation`.
 */
import net from 'node:net';
import { errorText } from '../../mail/error-text.js';
import { FrameReader } from '../codec.js';
import type { MilterFrame } from '../command.js';
import type { Endpoint } from '../endpoint.js';
import { commands } from './commands.js';

/** Why a filter cannot be asked. */
export class FilterProblem extends Error {
  override readonly name = 'FilterProblem';
  /**
   * `refused`: nobody listens there. `gone`: it has closed the connection. `wrong`: it is late, or breaks the protocol.
   */
  readonly kind: 'refused' | 'gone' | 'wrong';

  constructor(kind: FilterProblem['kind'], problem: string) {
    super(problem);
    this.kind = kind;
  }
}

/** Octets that a filter may send in one frame, its code included. */
const frameLimit = 1 << 20;

/** How long a filter may take to close a connection that it was told is over. */
const lingerMs = 5_000;

/** Edits and verdict of one read wait here; whoever sends more without being asked breaks the protocol. */
const maxWaiting = 1_000;

export class SocketWire {
  readonly #socket: net.Socket;
  readonly #reader = new FrameReader(frameLimit);
  readonly #nudges: boolean;
  readonly #frames: MilterFrame[] = [];
  #waiter:
    { readonly settle: (frame: MilterFrame) => void; readonly fail: (problem: FilterProblem) => void } | undefined;
  #problem: FilterProblem | undefined;
  /**
   * The end of the message has been said. libmilter sends edits and verdict apart, and Nagle's algorithm holds the
   * verdict until the edits are acknowledged, which takes the kernel 40 ms, unless there is something to send.
   */
  atEnd = false;

  private constructor(socket: net.Socket, nudges: boolean) {
    this.#socket = socket;
    this.#nudges = nudges;
    socket.on('data', (octets) => this.#read(octets));
    socket.on('end', () => this.#fail(new FilterProblem('gone', 'it closed the connection')));
    socket.on('error', (error) => this.#fail(new FilterProblem('gone', errorText(error))));
    socket.on('close', () => this.#fail(new FilterProblem('gone', 'it closed the connection')));
  }

  /** Rejects with a FilterProblem. */
  static async open(endpoint: Endpoint, limitMs: number): Promise<SocketWire> {
    const socket = net.connect(placeOf(endpoint));
    socket.setNoDelay(true);
    await new Promise<void>((settle, fail) => {
      const late = setTimeout(() => fail(new FilterProblem('wrong', `no connection within ${limitMs} ms`)), limitMs);
      const end = (act: () => void) => (): void => {
        clearTimeout(late);
        act();
      };
      socket.once('connect', end(settle));
      socket.once('error', (error) => end(() => fail(new FilterProblem('refused', errorText(error))))());
    }).catch((problem: unknown) => {
      socket.destroy();
      throw problem;
    });
    socket.removeAllListeners('error');
    return new SocketWire(socket, endpoint.kind === 'tcp');
  }

  /** Can it still be spoken to? */
  get alive(): boolean {
    return this.#problem === undefined;
  }

  /** Waits where the filter does not read. */
  async send(octets: Buffer, limitMs: number): Promise<void> {
    if (this.#problem) throw this.#problem;
    if (this.#frames.length > 0) throw this.#end(new FilterProblem('wrong', 'it said something without being asked'));
    if (this.#socket.write(octets)) return;
    await this.#drained(limitMs);
  }

  #drained(limitMs: number): Promise<void> {
    return new Promise((settle, fail) => {
      const done = (): void => {
        clearTimeout(late);
        this.#socket.off('drain', done).off('close', done);
        if (this.#problem) fail(this.#problem);
        else settle();
      };
      const late = setTimeout(() => {
        this.#end(new FilterProblem('wrong', `it took nothing within ${limitMs} ms`));
        done();
      }, limitMs);
      this.#socket.on('drain', done).on('close', done);
    });
  }

  /** The next frame. Rejects with a FilterProblem. */
  hear(limitMs: number): Promise<MilterFrame> {
    const there = this.#frames.shift();
    if (there) return Promise.resolve(there);
    if (this.#problem) return Promise.reject(this.#problem);
    this.#socket.ref();
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => {
        this.#fail(new FilterProblem('wrong', `no answer within ${limitMs} ms`));
      }, limitMs);
      const heard = (): void => {
        clearTimeout(late);
        this.#waiter = undefined;
        this.#socket.unref(); // nobody waits for it: it keeps no process alive
      };
      this.#waiter = {
        settle: (frame) => {
          heard();
          resolve(frame);
        },
        fail: (problem) => {
          heard();
          reject(problem);
        },
      };
    });
  }

  #read(octets: Buffer): void {
    const reader = this.#reader;
    let code = 0;
    reader.push(octets);
    while (this.#problem === undefined && reader.next()) {
      code = reader.code;
      this.#take({ code, octets: reader.octets, start: reader.start, end: reader.end });
    }
    if (reader.broken !== undefined) this.#fail(new FilterProblem('wrong', reader.broken));
    if (this.#nudges && this.atEnd && this.#problem === undefined && isEdit(code)) this.#socket.write(commands.nudge);
  }

  #take(frame: MilterFrame): void {
    if (this.#waiter) this.#waiter.settle(frame);
    else if (this.#frames.push(frame) > maxWaiting) this.#fail(new FilterProblem('wrong', 'it talks without an end'));
  }

  #fail(problem: FilterProblem): void {
    this.#end(problem);
    this.#waiter?.fail(problem);
  }

  #end(problem: FilterProblem): FilterProblem {
    this.#problem ??= problem;
    this.#socket.destroy();
    return this.#problem;
  }

  /** Says this and closes the connection. */
  close(octets: Buffer): void {
    if (this.#problem) return;
    this.#problem = new FilterProblem('gone', 'the session is over');
    const linger = setTimeout(() => this.#socket.destroy(), lingerMs).unref(); // who hangs never closes his side
    this.#socket.once('close', () => clearTimeout(linger));
    this.#socket.end(octets);
    this.#socket.unref();
  }

  /** Closes the connection: what came over it makes no sense, or comes too late. */
  drop(): void {
    this.#fail(new FilterProblem('wrong', 'it has had its time'));
  }
}

function placeOf(endpoint: Endpoint): net.NetConnectOpts {
  switch (endpoint.kind) {
    case 'unix':
      return { path: endpoint.path };
    case 'tcp':
      return { host: endpoint.host, port: endpoint.port, ...(endpoint.family && { family: endpoint.family }) };
    case 'fd':
      throw new FilterProblem('refused', 'nobody can be reached by a file descriptor');
  }
}

const edits = new Set(Array.from('hime2+-bq', (code) => code.charCodeAt(0)));
const isEdit = (code: number): boolean => edits.has(code);
