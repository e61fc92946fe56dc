/** Journals in temporary folders, and lines as a busy MX writes them. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';
import type { JournalLine } from '../../src/journal/line.js';
import { parseJournalQuery } from '../../src/journal/query.js';
import { type JournalItem, type JournalSearch, searchJournal } from '../../src/journal/reader.js';
import { JournalWriter, type JournalOptions } from '../../src/journal/writer.js';

export function folderFor(t: Pick<TestContext, 'after'>): string {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'postern-journal-'));
  t.after(() => fs.rmSync(dir, { recursive: true, force: true }));
  return path.join(dir, 'journal');
}

export interface Losses {
  readonly lost: [number, string][];
}

export function writerIn(dir: string, more: Partial<JournalOptions> = {}): JournalWriter & Losses {
  const lost: [number, string][] = [];
  const onLoss = (count: number, problem: string): void => void lost.push([count, problem]);
  return Object.assign(new JournalWriter({ dir, subject: true, node: 'mx.test.example', onLoss, ...more }), { lost });
}

export const relayed: JournalLine = {
  time: '2026-11-28T21:41:40.118Z',
  id: '6AD976HBEEVN63',
  session: '6AD976HBEEVN62',
  verdict: 'relayed',
  stage: 'dot',
  domain: 'example.com',
  from: 'anna@sender.example',
  header_from: 'Anna <anna@sender.example>',
  to: [{ address: 'alice@example.com', reply: '250 2.1.5 Recipient ok' }],
  subject: 'Angebot',
  'message-id': '<1@sender.example>',
  ip: '203.0.113.9',
  host: 'mail.sender.example',
  helo: 'mail.sender.example',
  tls: '1.3 TLS_AES_256_GCM_SHA384',
  reply: '250 2.0.0 Ok: queued as 4WxY (6AD976HBEEVN63)',
  said: [
    ['greylisting', 'pass', 'known since 21:41'],
    ['spf', 'pass'],
  ],
  spf: 'pass',
  dkim: 'pass',
  dmarc: 'pass',
  size: 48_213,
  ms: 84,
  relay_ms: 31,
  queue: '4WxY',
  destination: '127.0.0.1:10025',
};

export const deferred: JournalLine = {
  ...without(relayed, ['queue', 'relay_ms', 'destination', 'said']),
  verdict: 'deferred',
  plugin: 'greylisting',
  reply: '450 4.7.1 Greylisted, please try again in 5 min',
};

export function without(line: JournalLine, keys: readonly (keyof JournalLine)[]): JournalLine {
  return Object.fromEntries(
    Object.entries(line).filter(([key]) => !keys.includes(key as keyof JournalLine)),
  ) as unknown as JournalLine;
}

/** What a search finds, newest first. */
export async function found(
  dir: string,
  text = '',
  more: Partial<JournalSearch> = {},
): Promise<readonly JournalItem[]> {
  const query = parseJournalQuery(text, new Date('2026-11-29T12:00:00Z'));
  if (!query.ok) throw new Error(query.problem);
  const items: JournalItem[] = [];
  for await (const step of searchJournal({ dir, query: query.value, ...more })) if ('line' in step) items.push(step);
  return items;
}

export const subjects = (items: readonly JournalItem[]): readonly (string | undefined)[] =>
  items.map(({ line }) => line.subject);
