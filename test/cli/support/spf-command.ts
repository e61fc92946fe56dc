/** `postern spf` and its zone files. */
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { postern, type Ran, startPostern, type Surroundings } from './postern-command.js';

export const startSpf = (words: readonly string[], env: Surroundings['env'] = {}): ChildProcessWithoutNullStreams =>
  startPostern(['spf', ...words], { env });

export const spf = (words: readonly string[], surroundings: Surroundings = {}): Promise<Ran> =>
  postern(['spf', ...words], surroundings);

/** The zone of the tests below, in a file. */
export interface ZoneFile {
  readonly path: string;
  remove(): void;
}

export function zoneFile(zone: unknown): ZoneFile {
  const folder = mkdtempSync(join(tmpdir(), 'postern-spf-'));
  const path = join(folder, 'zone.json');
  writeFileSync(path, typeof zone === 'string' ? zone : JSON.stringify(zone));
  return { path, remove: () => rmSync(folder, { recursive: true }) };
}

/** No octet that a terminal obeys, beside line feeds. */
export const isSafe = (text: string): boolean => !/[^\P{C}\n]/u.test(text);
