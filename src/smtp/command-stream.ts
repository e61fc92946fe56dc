/**
 * npm smtp-server's command parser with our own reading of DATA (data-reader.ts says why) and without the PassThrough that
 * the library puts between: octets go straight to a sink, which holds the client back by a promise.
 */
import { SMTPStream } from 'smtp-server/lib/smtp-stream.js';
import { DataReader } from './data-reader.js';

export interface DataSink {
  write(chunk: Buffer): void | Promise<void>;
  /** The message is whole; commands go on once this is settled. Never rejects. */
  end(sawBareNewline: boolean): Promise<void>;
}

type Done = (error?: Error | null) => void;

export class CommandStream extends SMTPStream {
  #reader: DataReader | undefined;
  #sink: DataSink | undefined;

  /** From the next octet on it is message, to its end. */
  readData(sink: DataSink): void {
    this._dataMode = true;
    this.#reader = new DataReader();
    this.#sink = sink;
  }

  override _feedDataStream(chunk: Buffer, done: Done): void {
    const reader = this.#reader;
    const sink = this.#sink;
    if (!reader || !sink || this.isClosed) return done();
    const { text, rest } = reader.push(chunk);
    const written = sink.write(text);
    const next = (): void => (rest === undefined ? done() : this.#end(sink, reader, rest, done));
    if (written) void written.then(next);
    else next();
    return undefined;
  }

  #end(sink: DataSink, reader: DataReader, rest: Buffer, done: Done): void {
    this._dataMode = false;
    this._remainder = '';
    this.#reader = undefined;
    this.#sink = undefined;
    void sink.end(reader.sawBareNewline).then(() => (rest.length > 0 ? this._write(rest, 'buffer', done) : done()));
  }
}
