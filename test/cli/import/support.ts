/** A machine to come over to: an empty /srv, settings of its own, and folders of the program that one comes from. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { filesBelow } from '../../support/files-below.js';
import { postern, type Ran } from '../support/postern-command.js';

export class NewHome {
  readonly root = mkdtempSync(join(tmpdir(), 'postern-import-'));
  readonly config = join(this.root, 'postern.conf');

  constructor() {
    for (const folder of ['srv', 'spam', 'state', 'old']) mkdirSync(join(this.root, folder));
    this.write('postern.conf', ['srv', 'spam', 'state'].map((name) => `${name} = ${join(this.root, name)}\n`).join(''));
  }

  /** Writes files of the program that one comes from, and returns their folder. */
  old(files: Readonly<Record<string, string>>): string {
    for (const [name, text] of Object.entries(files)) this.write(`old/${name}`, text);
    return join(this.root, 'old');
  }

  write(path: string, text: string): string {
    const file = join(this.root, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
    return file;
  }

  import(...words: readonly string[]): Promise<Ran> {
    return postern(['import', ...words, '-c', this.config]);
  }

  run(...words: readonly string[]): Promise<Ran> {
    return postern([...words, '-c', this.config]);
  }

  has(path: string): boolean {
    return existsSync(join(this.root, path));
  }

  text(path: string): string {
    return readFileSync(join(this.root, path), 'utf8');
  }

  /** Markers below /srv, sorted. */
  markers(): readonly string[] {
    const srv = join(this.root, 'srv');
    return filesBelow(srv)
      .map((file) => file.slice(srv.length + 1))
      .toSorted();
  }

  /** What was imported into the settings. */
  settings(): readonly string[] {
    return this.text('postern.conf')
      .split('\n')
      .slice(3)
      .filter((line) => line !== '' && !line.startsWith('#'));
  }

  /** All that there is on the machine, for comparing. */
  everything(): string {
    return filesBelow(this.root)
      .toSorted()
      .map((file) => `${file}\n${readFileSync(file, 'latin1')}`)
      .join('\n');
  }

  remove(): void {
    rmSync(this.root, { recursive: true });
  }
}
