/** Writes a domain's file of lines, such as `expire`, so that who reads it meanwhile sees the old lines or the new ones. */
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';

/** Comments on lines of their own stay above. No lines: the file is removed. Broken IO throws, and nothing is changed. */
export function writeLines(file: string, lines: readonly string[]): void {
  if (lines.length === 0) return fs.rmSync(file, { force: true });
  const before = fs.existsSync(file) ? fs.readFileSync(file, 'utf8').split('\n') : [];
  const comments = before.filter((line) => line.trimStart().startsWith('#'));
  const half = path.join(path.dirname(file), `.${path.basename(file)}.${randomBytes(6).toString('hex')}`);
  try {
    fs.writeFileSync(half, [...comments, ...lines, ''].join('\n'), { flag: 'wx', flush: true });
    // Whatever the umask of whoever writes it: the listener is to read it.
    fs.chmodSync(half, 0o644);
    fs.renameSync(half, file);
  } finally {
    fs.rmSync(half, { force: true });
  }
}
