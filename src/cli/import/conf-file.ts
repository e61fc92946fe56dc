/**
 * Writes settings into postern.conf below what is there. No line is changed: where the file says something else, that
 * stays, and the operator is told. Leaves what a setting means to settings/.
 */
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { contentLines } from '../../settings/read-table.js';
import type { SettingName } from '../../settings/schema.js';

export interface WantedSetting {
  readonly name: SettingName;
  readonly value: string;
}

/** What the file says of a setting; undefined where it says nothing. */
export function saidIn(text: string, name: SettingName): string | undefined {
  const said = contentLines(text, 'any').map(([, line]) => /^([^=]*?)\s*=\s*(.*)$/.exec(line));
  return said.find((line) => line?.[1] === name)?.[2];
}

/** The text with these settings below it. */
export function withSettings(text: string, settings: readonly WantedSetting[], source: string): string {
  if (settings.length === 0) return text;
  const before = text === '' || text.endsWith('\n') ? text : `${text}\n`;
  const lines = settings.map(({ name, value }) => `${name} = ${value}`);
  return `${before}${before === '' ? '' : '\n'}# By postern import ${source}.\n${lines.join('\n')}\n`;
}

/** Replaces a file whole, or makes it; a file that was there keeps owner and mode, a link stays one. */
export function replaceFile(path: string, text: string, mode = 0o644): void {
  mkdirSync(dirname(path), { recursive: true });
  const file = existsSync(path) ? realpathSync(path) : path;
  const stat = statSync(file, { throwIfNoEntry: false });
  const half = `${file}.${process.pid}.new`;
  try {
    writeFileSync(half, text, { flag: 'wx', flush: true, mode: 0o600 });
    chmodSync(half, stat ? stat.mode & 0o7777 : mode);
    if (stat) chownSync(half, stat.uid, stat.gid);
    renameSync(half, file);
  } finally {
    rmSync(half, { force: true });
  }
}
