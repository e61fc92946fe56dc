/** The inputs that are kept: `test/fuzz/corpus/NAME`, a JSON string of octets (latin1) a line, oldest first. */
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Target } from './target.js';

/** Beside the sources: compiled, this file is dist/test/fuzz/corpus.js. */
const folder = fileURLToPath(new URL('../../../test/fuzz/corpus', import.meta.url));

/** Larger ones say nothing that smaller ones do not, and more of them make every run begin late. */
const maxKeptOctets = 600;
const maxKept = 400;

export function corpusOf(name: string, { seeds }: Target): Buffer[] {
  const file = join(folder, name);
  const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean) : [];
  return [...seeds, ...lines.map((line) => JSON.parse(line) as string)].map((text) => Buffer.from(text, 'latin1'));
}

/** Keeps an input for the next runs. What fails is kept whatever its length: it is a test from then on. */
export function keep(name: string, octets: Buffer, { fails = false, size = 0 } = {}): void {
  if (!fails && (octets.length > maxKeptOctets || size >= maxKept)) return;
  appendFileSync(join(folder, name), `${shown(octets)}\n`);
}

/** ASCII alone, so that an editor shows it as it is. */
export function shown(octets: Buffer): string {
  return JSON.stringify(octets.toString('latin1')).replace(
    /[\x7f-\xff]/g,
    (octet) => `\\u00${octet.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
}
