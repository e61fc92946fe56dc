/**
 * The operator's list of plugins, in qpsmtpd's format: one plugin a line in hook order, arguments behind the name, `#`
 * comments, `$include FILE`. Reads text only; load.ts finds the code.
 */
import { errorText } from '../../mail/error-text.js';
import type { Result } from '../../mail/result.js';

export interface ListedPlugin {
  readonly name: string;
  readonly args: readonly string[];
  /** The line ends in the word `anywhere`: the plugin may send mail where no client could have. */
  readonly anywhere: boolean;
  /** `file:line`, for messages. */
  readonly place: string;
}

export type PluginList = Result<readonly ListedPlugin[]>;

export interface ListFiles {
  /** The file's text; throws when it cannot be read. */
  read(path: string): string;
  /** A path as an `$include` in `from` means it. */
  resolve(from: string, path: string): string;
}

const maxDepth = 10;

/** Reads the list and what it includes. A file that includes itself is a problem, as is one that cannot be read. */
export function readPluginList(path: string, files: ListFiles, depth = 0): PluginList {
  if (depth > maxDepth)
    return { ok: false, problem: `${path}: $include goes round in a circle, or deeper than ${maxDepth} files` };
  let text: string;
  try {
    text = files.read(path);
  } catch (error) {
    return {
      ok: false,
      problem: `${path}: cannot be read (${(error as NodeJS.ErrnoException).code ?? errorText(error)}); the setting "plugins" names the list`,
    };
  }
  const plugins: ListedPlugin[] = [];
  for (const [i, line] of text.split(/\r?\n/).entries()) {
    const [name, ...args] = line
      .replace(/(^|\s)#.*$/, '')
      .trim()
      .split(/\s+/);
    if (name === undefined || name === '') continue;
    const place = `${path}:${i + 1}`;
    const read = name === '$include' ? include(path, args, place, files, depth) : listed(name, args, place);
    if (!read.ok) return read;
    plugins.push(...read.value);
  }
  return { ok: true, value: plugins };
}

function include(from: string, args: readonly string[], place: string, files: ListFiles, depth: number): PluginList {
  const [file, ...more] = args;
  if (file === undefined || more.length > 0) return { ok: false, problem: `${place}: $include takes one file` };
  const read = readPluginList(files.resolve(from, file), files, depth + 1);
  return read.ok ? read : { ok: false, problem: `${place}: ${read.problem}` };
}

function listed(name: string, args: readonly string[], place: string): PluginList {
  if (!/^[a-z0-9][a-z0-9_-]*$/i.test(name))
    return { ok: false, problem: `${place}: "${name}" is no plugin name (letters, digits, _ and -)` };
  const anywhere = args.at(-1) === 'anywhere';
  return { ok: true, value: [{ name, args: anywhere ? args.slice(0, -1) : args, anywhere, place }] };
}
