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

/**
 * What all sockets are read into: it is taken apart before another socket is read, and what is kept of it is copied.
 */
const buffer = Buffer.allocUnsafeSlow(65_536);

/** What one read may hold, which is edits and verdict; whoever sends more without being asked breaks the protocol. */
const maxWaiting = buffer.length / 5;

/** Octets of their data: a read may be full, and be the end of a frame. */
const maxWaitingOctets = frameLimit + buffer.length;

const nothing = Buffer.alloc(0);

interface Waiter {
  readonly settle: (frame: MilterFrame) => void;
  readonly fail: (problem: FilterProblem) => void;
  /** By performance.now(). */
  readonly lateAt: number;
  readonly limitMs: number;
}

export class SocketWire {
  readonly #socket: net.Socket;
  readonly #reader = new FrameReader(frameLimit);
  readonly #nudges: boolean;
  readonly #frames: MilterFrame[] = [];
  /** Octets of their data. */
  #waiting = 0;
  #waiter: Waiter | undefined;
  /** It is not set anew for each answer that is waited for: when it is due, it looks whether one is late. */
  #timer: NodeJS.Timeout | undefined;
  #timerAt = Infinity;
  #problem: FilterProblem | undefined;
  /**
   * The end of the message has been said. libmilter sends edits and verdict apart, and Nagle's algorithm holds the
   * verdict until the edits are acknowledged, which takes the kernel 40 ms, unless there is something to send.
   */
  atEnd = false;

  private constructor(endpoint: Endpoint) {
    const callback = (octets: number): boolean => this.#read(buffer.subarray(0, octets));
    const socket = net.connect({ ...placeOf(endpoint), noDelay: true, onread: { buffer, callback } });
    this.#socket = socket;
    this.#nudges = endpoint.kind === 'tcp';
    socket.on('end', () => this.#fail(new FilterProblem('gone', 'it closed the connection')));
    let kind: FilterProblem['kind'] = 'refused';
    socket.once('connect', () => (kind = 'gone'));
    socket.on('error', (error) => this.#fail(new FilterProblem(kind, errorText(error))));
    socket.on('close', () => {
      clearTimeout(this.#timer);
      this.#fail(new FilterProblem('gone', 'it closed the connection'));
    });
  }

  /** Rejects with a FilterProblem. */
  static async open(endpoint: Endpoint, limitMs: number): Promise<SocketWire> {
    const wire = new SocketWire(endpoint);
    await wire.#connected(limitMs);
    return wire;
  }

  #connected(limitMs: number): Promise<void> {
    return new Promise((settle, fail) => {
      const late = setTimeout(
        () => this.#end(new FilterProblem('wrong', `no connection within ${limitMs} ms`)),
        limitMs,
      );
      const done = (): void => {
        clearTimeout(late);
        this.#socket.off('connect', done).off('close', done);
        if (this.#problem) fail(this.#problem);
        else settle();
      };
      this.#socket.on('connect', done).on('close', done);
    });
  }

  /** Can it still be spoken to? */
  get alive(): boolean {
    return this.#problem === undefined;
  }

  /** The filter has said something that nobody has asked for. */
  get isTalking(): boolean {
    return this.#frames.length > 0;
  }

  /** In one write, texts as octets, one to a character. Waits where the filter does not read. */
  send(octets: readonly (string | Buffer)[], limitMs: number): Promise<void> | undefined {
    if (this.#problem) throw this.#problem;
    if (this.isTalking) throw this.#end(new FilterProblem('wrong', 'it said something without being asked'));
    return this.#write(octets) ? undefined : this.#drained(limitMs);
  }

  #write(octets: readonly (string | Buffer)[]): boolean {
    const socket = this.#socket;
    if (octets.length > 1) socket.cork();
    for (const part of octets) socket.write(part, 'latin1');
    if (octets.length > 1) socket.uncork();
    return !socket.writableNeedDrain;
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
    if (there) {
      this.#waiting -= there.end - there.start;
      return Promise.resolve(there);
    }
    if (this.#problem) return Promise.reject(this.#problem);
    const lateAt = performance.now() + limitMs;
    if (lateAt < this.#timerAt) this.#wakeAt(lateAt, limitMs);
    this.#socket.ref();
    return new Promise((settle, fail) => {
      this.#waiter = { settle, fail, lateAt, limitMs };
    });
  }

  #wakeAt(moment: number, ms: number): void {
    clearTimeout(this.#timer);
    this.#timerAt = moment;
    this.#timer = setTimeout(() => this.#look(), Math.ceil(ms)).unref();
  }

  #look(): void {
    this.#timerAt = Infinity;
    if (!this.#waiter) return;
    const { lateAt, limitMs } = this.#waiter;
    const left = lateAt - performance.now();
    if (left > 0) this.#wakeAt(lateAt, left);
    else this.#fail(new FilterProblem('wrong', `no answer within ${limitMs} ms`));
  }

  /** Nobody waits for the socket now: it keeps no process alive. */
  #heard(): Waiter | undefined {
    const waiter = this.#waiter;
    if (!waiter) return undefined;
    this.#waiter = undefined;
    this.#socket.unref();
    return waiter;
  }

  #read(octets: Buffer): true {
    const reader = this.#reader;
    let code = 0;
    reader.push(octets);
    while (this.#problem === undefined && reader.next()) {
      code = reader.code;
      this.#take({ code, ...dataOf(reader) });
    }
    if (reader.broken !== undefined) this.#fail(new FilterProblem('wrong', reader.broken));
    if (this.#nudges && this.atEnd && this.#problem === undefined && isEdit(code))
      this.#socket.write(commands.nudge, 'latin1');
    return true;
  }

  #take(frame: MilterFrame): void {
    const waiter = this.#heard();
    if (waiter) return waiter.settle(frame);
    this.#frames.push(frame);
    this.#waiting += frame.end - frame.start;
    if (this.#frames.length > maxWaiting || this.#waiting > maxWaitingOctets)
      this.#fail(new FilterProblem('wrong', 'it talks without an end'));
  }

  #fail(problem: FilterProblem): void {
    this.#end(problem);
    this.#heard()?.fail(problem);
  }

  #end(problem: FilterProblem): FilterProblem {
    this.#problem ??= problem;
    this.#socket.destroy();
    return this.#problem;
  }

  /** Says this and closes the connection. */
  close(octets: readonly (string | Buffer)[]): void {
    if (this.#problem) return;
    this.#problem = new FilterProblem('gone', 'the session is over');
    const linger = setTimeout(() => this.#socket.destroy(), lingerMs).unref(); // who hangs never closes his side
    this.#socket.once('close', () => clearTimeout(linger));
    this.#socket.cork(); // until it ends
    this.#write(octets);
    this.#socket.end();
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

/** A verdict has no data. */
function dataOf({ octets, start, end }: Pick<FrameReader, 'octets' | 'start' | 'end'>): Omit<MilterFrame, 'code'> {
  if (start === end) return { octets: nothing, start: 0, end: 0 };
  return { octets: Buffer.from(octets.subarray(start, end)), start: 0, end: end - start };
}

const edits = new Set(Array.from('hime2+-bq', (code) => code.charCodeAt(0)));
const isEdit = (code: number): boolean => edits.has(code);
