/** Folders, mails and small disks for the quarantine's tests. */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';
import {
  type AboutMail,
  type ArchiveRequest,
  type Quarantine,
  type QuarantineOptions,
  openQuarantine,
} from '../../src/quarantine/quarantine.js';
import { ydayOf } from '../../src/quarantine/disk/day.js';
import { type IndexEntry, indexLine } from '../../src/quarantine/disk/index-entry.js';
import { readPieces } from '../../src/quarantine/disk/index-lines.js';

export const day = 86_400_000;

/** A /spam of its own, removed when the test ends. */
export function spamFolder(t: TestContext): string {
  const root = fs.mkdtempSync(path.join(os.tmpdir(), 'postern-spam-'));
  t.after(() => fs.rmSync(root, { recursive: true, force: true }));
  return root;
}

export const quarantineIn = (root: string, options: Partial<QuarantineOptions> = {}): Quarantine =>
  openQuarantine({ root, hostname: 'mx.example', expireDays: 30, expireOctets: 0, ...options });

export const about: AboutMail = {
  from: 'a@example.net',
  subject: 'hello',
  headerFrom: 'a@example.net',
  ip: '192.0.2.1',
  host: 'host.example',
  helo: 'helo.example',
  reason: 'No such user',
  plugin: 'valid_users',
  reply: '550 5.1.1 No such user (ID)',
  messageId: '<1@example.net>',
};

export const text = 'Subject: hello\r\n\r\nbody\r\n';

export interface RequestOptions extends Partial<Omit<ArchiveRequest, 'message' | 'about'>> {
  readonly text?: string;
  readonly about?: Partial<AboutMail>;
}

let lastId = 0;

export function request({ text: octets = text, about: known = {}, ...rest }: RequestOptions = {}): ArchiveRequest {
  const message = Buffer.from(octets);
  return {
    id: `T${++lastId}`,
    domain: 'example.com',
    time: new Date(),
    copies: [{ recipient: 'foo@example.com', head: Buffer.from('X-HELO: helo.example\r\n') }],
    message: { size: message.length, parts: () => [message] },
    about: { ...about, ...known },
    ...rest,
  };
}

export async function entriesIn(folder: string): Promise<readonly IndexEntry[]> {
  const entries = [];
  for await (const { entry } of readPieces(path.join(folder, 'index'))) if (entry) entries.push(entry);
  return entries;
}

export const folderOf = (root: string, time = new Date(), domain = 'example.com'): string =>
  path.join(root, String(ydayOf(time)), domain);

/** The names in a folder, sorted; none when it is not there. */
export const namesIn = (...parts: readonly string[]): readonly string[] =>
  fs.existsSync(path.join(...parts)) ? fs.readdirSync(path.join(...parts)).sort() : [];

export const entryFor = (filename: string, time: Date): IndexEntry => ({
  ...about,
  time: time.toISOString(),
  recipient: 'foo@example.com',
  filename,
  size: 10,
});

/** A day's folder as it was left at that time, `count` mails with their lines. */
export function oldFolder(root: string, time: Date, { count = 2, domain = 'example.com' } = {}): string {
  const folder = folderOf(root, time, domain);
  for (const dir of ['tmp', 'new', 'cur']) fs.mkdirSync(path.join(folder, dir), { recursive: true });
  for (let i = 0; i < count; i++) {
    const name = `${Math.floor(time.getTime() / 1000)}.OLD${i}_1.mx.example`;
    fs.writeFileSync(path.join(folder, i % 2 ? 'cur' : 'new', i % 2 ? `${name}:2,S` : name), text);
    fs.appendFileSync(path.join(folder, 'index'), indexLine(entryFor(name, time)));
  }
  for (const dir of ['new', 'cur']) fs.utimesSync(path.join(folder, dir), time, time);
  return folder;
}

/** A disk of its own; undefined, and the test skipped, where none can be mounted. */
export function smallDisk(t: TestContext, options: string): string | undefined {
  const root = fs.mkdtempSync(path.join(os.tmpdir(), 'postern-disk-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', root], { stdio: 'pipe' });
  } catch (error) {
    fs.rmdirSync(root);
    if (process.env['POSTERN_REQUIRE_PEERS'] === '1') throw error;
    t.skip('needs the right to mount a tmpfs');
    return undefined;
  }
  t.after(() => {
    execFileSync('umount', [root]);
    fs.rmdirSync(root);
  });
  return root;
}
