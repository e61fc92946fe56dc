/**
 * The socket of one client: what it has sent and nobody has looked at yet, what is to be said to it, and its end. All
 * that is said until the turn ends (turn-end.ts) goes out in one write, and a client that does not read its replies is
 * not read any more. What the octets mean is connection.ts's business.
 */
import { Buffer } from 'node:buffer';
import type net from 'node:net';
import { performance } from 'node:perf_hooks';
import type { TLSSocket } from 'node:tls';
import { atTurnEnd, dealtWith } from '../turn-end.js';

/** What a socket needs of whoever reads its octets. */
export interface SocketUser {
  /** Does it take octets now? */
  readonly ready: boolean;
  /** Takes some of what is unread; false where that needs more octets. */
  step(): boolean;
  /** What was said goes to the client now. */
  replies(): void;
  /** The client has said something. */
  heard(): void;
  /** The client has closed its side, and may still read. */
  ended(): void;
  /** The socket is closed. */
  gone(): void;
  failed(error: Error): void;
}

const nothing = Buffer.alloc(0);
const LF = 0x0a;
const CR = 0x0d;

/** A line that goes on and on. */
export const tooLong = Symbol('too long');

export class ClientSocket {
  readonly #user: SocketUser;
  #socket: net.Socket;
  #unread: Buffer = nothing;
  #unsaid = '';
  /** It is written, and the socket closed where that is due, at the end of this turn. */
  #isFlushDue = false;
  /** It is a time of the monotonic clock, in milliseconds. */
  #lastRead = performance.now();
  /** The client does not read what is said to it. */
  #clogged = false;
  /** Other clients have their turn. */
  #yielding = false;
  /** Its user lets the client wait. */
  #isHeld = false;
  /** The client has closed its side. */
  #ended = false;
  #closing = false;
  #lingering: NodeJS.Timeout | undefined;

  constructor(socket: net.Socket, user: SocketUser) {
    this.#socket = socket;
    this.#user = user;
    socket.setNoDelay(true);
    this.#listen(socket);
  }

  #listen(socket: net.Socket): void {
    socket.on('data', this.#read).on('end', this.#end).on('drain', this.#drained).on('close', this.#gone);
    socket.on('error', (error) => this.#user.failed(error));
  }

  get lastRead(): number {
    return this.#lastRead;
  }

  /** Has the client said what nobody has looked at yet? */
  get hasUnread(): boolean {
    return this.#unread.length > 0;
  }

  /** Until it is over, what the client says beyond one segment waits in the kernel: a held client costs no memory. */
  hold(isHeld: boolean): void {
    this.#isHeld = isHeld;
  }

  /** Is nothing said or read any more? */
  get closing(): boolean {
    return this.#closing;
  }

  readonly #read = (octets: Buffer): void => {
    if (this.#closing) return;
    this.#lastRead = performance.now();
    this.#user.heard();
    this.#unread = this.#unread.length === 0 ? octets : Buffer.concat([this.#unread, octets]);
    this.work();
    if (this.#isHeld || this.#unread.length > maxUnread) this.#socket.pause();
    dealtWith();
  };

  readonly #end = (): void => {
    this.#ended = true;
    this.#user.ended();
    this.work();
  };

  readonly #drained = (): void => {
    this.#clogged = false;
    this.work();
  };

  readonly #gone = (): void => {
    this.#closing = true;
    clearTimeout(this.#lingering);
    this.#user.gone();
  };

  /** Deals with the unread octets as far as that goes without waiting. */
  work(): void {
    let steps = 0;
    while (this.#goesOn && this.#unread.length > 0 && this.#user.step()) if (++steps === maxSteps) this.#yield();
    if (this.#ended && this.#goesOn) this.close(); // a line without its end is no command
    if (this.#unread.length <= maxUnread && this.#socket.isPaused()) this.#socket.resume();
  }

  get #goesOn(): boolean {
    return this.#user.ready && !this.#clogged && !this.#yielding && !this.#closing;
  }

  /** A flood of commands in one segment does not keep other clients waiting. */
  #yield(): void {
    this.#yielding = true;
    setImmediate(() => {
      this.#yielding = false;
      this.work();
    });
  }

  /**
   * The next line without its end: LF, and as in Postfix any CRs before it; octets as latin1. undefined where it is not
   * whole yet.
   */
  nextLine(maxOctets: number): string | typeof tooLong | undefined {
    const unread = this.#unread;
    const lf = unread.indexOf(LF);
    let end = lf < 0 ? unread.length : lf;
    while (end > 0 && unread[end - 1] === CR) end--;
    if (end > maxOctets) return tooLong;
    if (lf < 0) return undefined;
    this.#unread = lf + 1 === unread.length ? nothing : unread.subarray(lf + 1);
    return unread.toString('latin1', 0, end);
  }

  /** Takes all that is unread. */
  take(): Buffer {
    const taken = this.#unread;
    this.#unread = nothing;
    return taken;
  }

  /** Puts back octets that were taken and belong to somebody else: they are read next. */
  putBack(octets: Buffer): void {
    this.#unread = octets;
  }

  /** ASCII with its line ends. */
  say(text: string): void {
    if (this.#closing) return;
    this.#unsaid += text;
    this.#flushSoon();
  }

  /** Nothing is read or said any more, but what was said until now is written. */
  close(): void {
    this.#closing = true;
    this.#flushSoon();
  }

  #flushSoon(): void {
    if (this.#isFlushDue) return;
    this.#isFlushDue = true;
    atTurnEnd(this.#flush);
  }

  readonly #flush = (): void => {
    this.#isFlushDue = false;
    if (this.#socket.destroyed) return;
    if (this.#unsaid !== '') {
      this.#user.replies();
      this.#socket.write(this.#unsaid, 'latin1');
      this.#unsaid = '';
      this.#clogged = this.#socket.writableNeedDrain;
    }
    if (this.#closing && this.#lingering === undefined) this.#hangUp();
  };

  /** Waits for the client to close its side, but not for long; what it still says is dropped. */
  #hangUp(): void {
    this.#unread = nothing;
    this.#socket.end();
    this.#socket.resume();
    this.#lingering = setTimeout(() => this.#socket.destroy(), lingerMs);
    this.#lingering.unref();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** For a handshake: says what there is to say, and drops what is unread, for it came in the clear (RFC 3207 §6). */
  letGo(): net.Socket {
    this.#flush();
    this.#unread = nothing;
    return this.#socket
      .off('data', this.#read)
      .off('end', this.#end)
      .off('drain', this.#drained)
      .off('close', this.#gone);
  }

  /** Goes on with what the handshake has made of the socket; undefined where it failed. */
  resume(secured: TLSSocket | undefined): void {
    this.#clogged = false;
    if (!secured) return this.#gone();
    this.#socket = secured;
    return this.#listen(secured);
  }
}

/** Octets that a client may send ahead of our answer. */
const maxUnread = 1 << 16;

/** Commands that are answered before others have their turn. */
const maxSteps = 100;

/** How long a connection that we have closed waits for its client to do so. */
const lingerMs = 5_000;
