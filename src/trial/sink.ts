/**
 * The embedded "local MTA" of the trial run: takes every mail and keeps one copy a recipient in a maildir, as a
 * delivery agent does. Not for production: it checks no recipient and delivers nowhere.
 *
 * It is told to refuse as postern itself is told things, by a file: `answer` in its folder, read at each transaction,
 * holds `451 4.3.0 Try later` (said at the end of DATA) or `rcpt 550 5.1.1 No such user` (said to RCPT); one answer a
 * line.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, open, readFile, rename } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { SinkServer, type SMTPServerDataStream, type SMTPServerSession } from '../smtp/library/sink-server.js';

export interface SinkOptions {
  readonly host: string;
  /** 0 takes any free one. */
  readonly port: number;
  /** The maildir; created with its `tmp`, `new` and `cur`. */
  readonly dir: string;
  readonly log: (line: string) => void;
}

export interface Sink {
  readonly port: number;
  close(): Promise<void>;
}

/** Octets; what EHLO says of it. */
const maxSize = 64 * 1024 * 1024;

export async function startSink({ host, port, dir, log }: SinkOptions): Promise<Sink> {
  for (const folder of ['tmp', 'new', 'cur']) await mkdir(path.join(dir, folder), { recursive: true });
  const server = new SinkServer({
    name: 'sink.localhost',
    size: maxSize,
    onRcptTo: (_address, _session, done) => void answerOf(dir, 'rcpt').then(done, done),
    onData: (stream, session, done) =>
      void receive(dir, stream, session).then(
        (id) => {
          log(`sink queued ${id}`);
          done(null, `2.0.0 Ok: queued as ${id}`);
        },
        (problem: Error) => done('responseCode' in problem ? problem : cannotKeep(problem, log)),
      ),
    onError: (error) => log(`sink: ${error.message}`),
  });
  await new Promise<void>((resolve, reject) => {
    server.server.once('error', reject).listen(port, host, resolve);
  });
  const bound = (server.server.address() as AddressInfo).port;
  log(`sink listens on ${host}:${bound}, keeps mail in ${dir}`);
  return { port: bound, close: () => server.stop() };
}

/** What the operator's file says for this place, as npm smtp-server wants errors; undefined is yes. */
async function answerOf(dir: string, place: 'rcpt' | 'data'): Promise<Error | undefined> {
  const text = await readFile(path.join(dir, 'answer'), 'utf8').catch(() => '');
  for (const line of text.split('\n')) {
    const found = /^\s*(rcpt\s+|data\s+)?([45]\d\d)\s+(\S.*?)\s*$/i.exec(line);
    const named = (found?.[1] ?? 'data').trim().toLowerCase();
    if (found && named === place) return replyError(Number(found[2]), found[3] ?? '');
  }
  return undefined;
}

function cannotKeep(problem: Error, log: (line: string) => void): Error {
  log(`sink cannot keep a mail: ${problem.message}`);
  return replyError(451, '4.3.0 Cannot keep the mail');
}

const replyError = (responseCode: number, text: string): Error => Object.assign(new Error(text), { responseCode });

/** Keeps the message and returns its queue ID; rejects with the reply's error. */
async function receive(dir: string, stream: SMTPServerDataStream, session: SMTPServerSession): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of stream) if (!stream.sizeExceeded) parts.push(part as Buffer);
  if (stream.sizeExceeded) throw replyError(552, '5.3.4 Message too big');
  const refused = await answerOf(dir, 'data');
  if (refused) throw refused;
  const id = randomBytes(6).toString('hex').toUpperCase();
  const { mailFrom, rcptTo } = session.envelope;
  for (const [i, { address }] of rcptTo.entries()) {
    const fields = [
      `Return-Path: <${mailFrom ? mailFrom.address : ''}>`,
      `X-Original-To: ${address}`,
      `Delivered-To: ${address}`,
    ];
    const top = Buffer.from(fields.map((field) => `${field}\r\n`).join(''), 'utf8');
    await keep(dir, `${Date.now()}.${id}-${i}.sink`, [top, ...parts]);
  }
  return id;
}

/** maildir(5): complete in `tmp`, then visible in `new`. Lines keep their CRLF: a trial is for comparing octets. */
async function keep(dir: string, name: string, parts: readonly Buffer[]): Promise<void> {
  const file = await open(path.join(dir, 'tmp', name), 'wx', 0o600);
  try {
    await file.writeFile(Buffer.concat(parts));
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(path.join(dir, 'tmp', name), path.join(dir, 'new', name));
  const folder = await open(path.join(dir, 'new'), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
