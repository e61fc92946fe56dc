/**
 * One mail through the socket, and what became of it: at the local MTA, in the quarantine, in its index, in the log.
 */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, rmdirSync } from 'node:fs';
import net from 'node:net';
import { basename, dirname, join } from 'node:path';
import type { SmtpClient } from '../../src/trial/smtp-client.js';
import { filesBelow } from '../support/files-below.js';
import { type Archived, Mx, type MxOptions, message } from '../support/mx.js';

export interface Mail {
  readonly from?: string;
  readonly to?: string | readonly string[];
  readonly helo?: string;
  /** What XCLIENT says, for example `ADDR=192.0.2.1`. */
  readonly client?: string;
  /** Stands behind MAIL FROM:<…>. */
  readonly parameters?: string;
  readonly fields?: readonly string[];
  readonly without?: readonly string[];
  readonly body?: string;
}

export interface Fate {
  /** The reply that settled it. */
  readonly reply: string;
  /** To each RCPT. */
  readonly rcpt: readonly string[];
  /** At the local MTA, one a recipient, octets as latin1. */
  readonly relayed: readonly string[];
  readonly archived: readonly Archived[];
  readonly index: readonly Record<string, unknown>[];
  /** Written meanwhile. */
  readonly log: readonly Record<string, unknown>[];
}

/** Hundreds of mails are synced to it, and none has to survive the machine. */
const memory = '/dev/shm';

export const startMx = (options: MxOptions = {}): Promise<Mx> =>
  Mx.start({ ...options, ...(existsSync(memory) && { parent: memory }) });

/** For comparing what comes in no order. */
export const sorted = (values: Iterable<unknown>): string[] => [...values].map(String).toSorted();

/**
 * Sends the mail and sees what became of it; whatever the mail, the reply has to agree with that: 250 means it is at
 * the local MTA, a 550 with an ID that it is in quarantine and index under that ID, anything else that it is nowhere.
 */
export const fateOf = (mx: Mx, mail: Mail = {}): Promise<Fate> => watched(mx, () => send(mx, mail));

/** What became of whatever is sent by `act`, which returns the reply that settles it. */
export async function watched(mx: Mx, act: () => Promise<string | Sent>): Promise<Fate> {
  const before = { files: filesOf(mx), lines: mx.log.length };
  const said = await act();
  const sent = typeof said === 'string' ? { reply: said, rcpt: [] } : said;
  const files = filesOf(mx);
  const archived = newOnes(before.files.quarantine, files.quarantine);
  const fate: Fate = {
    ...sent,
    relayed: newOnes(before.files.sink, files.sink).map(({ text }) => text),
    archived,
    index: [...files.index].flatMap(([path, text]) => entriesOf(text.slice(before.files.index.get(path)?.length ?? 0))),
    log: mx.log.slice(before.lines),
  };
  assertAgrees(fate);
  return fate;
}

interface Files {
  readonly sink: readonly string[];
  readonly quarantine: readonly string[];
  /** The index of each domain and day by its path: its octets. */
  readonly index: ReadonlyMap<string, string>;
}

function filesOf(mx: Mx): Files {
  const spam = filesBelow(join(mx.root, 'spam'));
  return {
    sink: filesBelow(join(mx.root, 'sink', 'new')),
    quarantine: spam.filter((path) => basename(dirname(path)) === 'new'),
    index: new Map(spam.filter((path) => basename(path) === 'index').map((path) => [path, readFileSync(path, 'utf8')])),
  };
}

const entriesOf = (lines: string): Record<string, unknown>[] =>
  lines
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

function newOnes(before: readonly string[], now: readonly string[]): Archived[] {
  const old = new Set(before);
  return now.filter((path) => !old.has(path)).map((path) => ({ path, text: readFileSync(path, 'latin1') }));
}
interface Sent {
  readonly reply: string;
  readonly rcpt: readonly string[];
}

function assertAgrees({ reply, relayed, archived, index }: Fate): void {
  const places = { relayed: relayed.length > 0, archived: archived.length > 0 };
  const id = /^5\d\d .* \(([0-9A-Z]{14})\)$/.exec(reply)?.[1];
  if (id === undefined) {
    assert.deepEqual(places, { relayed: reply.startsWith('250'), archived: false }, reply);
    assert.deepEqual(index, [], reply);
    return;
  }
  assert.deepEqual(places, { relayed: false, archived: true }, reply);
  assert.deepEqual(sorted(index.map(({ filename }) => filename)), sorted(archived.map(({ path }) => basename(path))));
  for (const line of index) assert.equal(line['reply'], reply, 'the index holds the reply that was said');
  assert.ok(
    archived.every(({ path }) => path.includes(id)),
    `${id} names no file`,
  );
}

async function send(mx: Mx, mail: Mail): Promise<Sent> {
  const client = await mx.connect();
  try {
    return await converse(client, mail);
  } finally {
    client.end();
  }
}

/** A whole transaction on a connection that has heard the greeting, HELO and XCLIENT included. */
export async function converse(client: SmtpClient, mail: Mail): Promise<Sent> {
  const helo = `EHLO ${mail.helo ?? 'client.example'}`;
  let reply = await client.say(helo);
  if (mail.client !== undefined) {
    reply = await client.say(`XCLIENT ${mail.client}`);
    assert.match(reply, /^220 /, `XCLIENT ${mail.client}`);
    reply = await client.say(helo);
  }
  if (!reply.startsWith('250')) return { reply, rcpt: [] };
  reply = await client.say(`MAIL FROM:<${mail.from ?? 'sender@sender.example'}>${mail.parameters ?? ''}`);
  if (!reply.startsWith('250')) return { reply, rcpt: [] };
  const rcpt: string[] = [];
  for (const to of [mail.to ?? 'alice@example.com'].flat()) rcpt.push(await client.say(`RCPT TO:<${to}>`));
  if (!rcpt.some((answer) => answer.startsWith('250'))) return { reply: rcpt.at(-1) ?? '', rcpt };
  reply = await client.say('DATA');
  if (reply.startsWith('354')) reply = await client.say(`${message(mail)}\r\n.`);
  return { reply, rcpt };
}

/** Sends octets (latin1) in one go, hears all there is until the connection is closed, and cuts it into replies. */
export async function pipelined(mx: Mx, octets: string): Promise<string[]> {
  const socket = net.connect({ host: '127.0.0.1', port: mx.port });
  const parts: Buffer[] = [];
  socket.on('data', (part) => parts.push(part));
  socket.write(Buffer.from(octets, 'latin1'));
  await new Promise((resolve, reject) => socket.on('close', resolve).on('error', reject));
  const replies = Buffer.concat(parts)
    .toString('latin1')
    .match(/(?:\d{3}-.*\r\n)*\d{3}(?: .*)?\r\n/g);
  return (replies ?? []).map((reply) => reply.trimEnd());
}

/** Octets for `pipelined`: UTF-8 as the client would put it on the wire. */
export const octets = (text: string): string => Buffer.from(text, 'utf8').toString('latin1');

/** Puts the markers there while `act` runs. */
export async function marked<T>(mx: Mx, markers: readonly string[], act: () => Promise<T>): Promise<T> {
  for (const marker of markers) mx.touch(marker);
  try {
    return await act();
  } finally {
    for (const marker of markers) drop(mx, marker.split('=')[0] ?? '');
  }
}

/** Removes a marker, and the folders below /srv that are empty then. */
export function drop(mx: Mx, marker: string): void {
  mx.remove(marker);
  const srv = join(mx.root, 'srv');
  for (let folder = dirname(join(srv, marker)); folder !== srv; folder = dirname(folder)) {
    if (!existsSync(folder)) continue;
    if (readdirSync(folder).length > 0) return;
    rmdirSync(folder);
  }
}

export interface Contrast {
  readonly markers: readonly string[];
  readonly mail: Mail;
  /** The reply with the markers, and without them. */
  readonly there: RegExp;
  readonly absent: RegExp;
}

/**
 * The mail before the markers are dropped, while they are there, and once they are gone again. Returns the middle
 * one.
 */
export async function contrast(mx: Mx, { markers, mail, there, absent }: Contrast): Promise<Fate> {
  assert.match((await fateOf(mx, mail)).reply, absent, 'before');
  const fate = await marked(mx, markers, () => fateOf(mx, mail));
  assert.match(fate.reply, there);
  assert.match((await fateOf(mx, mail)).reply, absent, 'after');
  return fate;
}

/** The header section of a copy, as unfolded lines. */
export function fieldsOf(copy: string): string[] {
  const end = copy.indexOf('\r\n\r\n');
  return copy
    .slice(0, end < 0 ? copy.length : end)
    .replace(/\r\n[ \t]+/g, ' ')
    .split('\r\n');
}

/** The value of the first field of that name; undefined where there is none. */
export const fieldOf = (copy: string, name: string): string | undefined =>
  fieldsOf(copy)
    .find((field) => field.toLowerCase().startsWith(`${name.toLowerCase()}:`))
    ?.slice(name.length + 1)
    .trim();

export const relayed = /^250 2\.0\.0 /;
export const noSuchUser = /^550 5\.1\.1 No such user \([0-9A-Z]{14}\)$/;
export const rejected = /^550 5\.7\.1 .* \([0-9A-Z]{14}\)$/;
export const relayingDenied = /^550 5\.7\.1 Relaying denied$/;
export const deferred = /^451 4\./;
export const separate = /^452 4\.5\.3 /;
