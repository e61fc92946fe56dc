/** Loads the file of `--policy FILE`: its default export is a policy, or a function of the words behind `--`. */
import { pathToFileURL } from 'node:url';
import { offerOwnPackage } from '../../../hooks/loading/own-package.js';
import { namePlugin } from '../../../hooks/plugin-console.js';
import { errorText } from '../../../mail/error-text.js';
import { type Result, wrong } from '../../../mail/result.js';
import { printable } from '../../../mail/text.js';
import { importAnew } from './fresh-imports.js';
import { type AnyPolicy, readPolicy } from './read-policy.js';

export interface PolicySource {
  /** A path from the root. */
  readonly file: string;
  readonly words: readonly string[];
}

type Importer = (url: string) => Promise<unknown>;

const importOnce: Importer = (url) => import(url);

/** A file that waits at its top for what never comes must hold up neither the start nor every later HUP. */
const loadMs = 30_000;

/** Rejects nothing: what is wrong is one line that says what to do. */
export async function loadPolicy(
  source: PolicySource,
  importer = importOnce,
  withinMs = loadMs,
): Promise<Result<AnyPolicy>> {
  const problem = (text: string): Result<never> => wrong(`${printable(source.file, 300)}: ${printable(text, 600)}`);
  try {
    const made = await inTime(defaultOf(source, importer), withinMs);
    const policy = made.ok ? readPolicy(made.value) : made;
    return policy.ok ? policy : problem(policy.problem);
  } catch (error) {
    return problem(explained(error, source.file));
  }
}

/** The same, although it was loaded before. */
export const loadPolicyAnew = (source: PolicySource): Promise<Result<AnyPolicy>> => loadPolicy(source, importAnew);

async function inTime<V>(loading: Promise<Result<V>>, ms: number): Promise<Result<V>> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Result<never>>((resolve) => {
    const problem = wrong(`not loaded within ${ms / 1000} seconds: what does it wait for?`);
    timer = setTimeout(resolve, ms, problem);
  });
  try {
    return await Promise.race([loading, late]);
  } finally {
    clearTimeout(timer);
  }
}

async function defaultOf({ file, words }: PolicySource, importer: Importer): Promise<Result<unknown>> {
  const url = pathToFileURL(file).href;
  namePlugin(url, nameOf(file));
  offerOwnPackage(file);
  const exported = defaultExport(await importer(url));
  if (isMaker(exported)) return { ok: true, value: await exported(words) };
  if (words.length > 0) return wrong('takes no words: its default export is no function that is given them');
  return { ok: true, value: exported };
}

type PolicyMaker = (words: readonly string[]) => unknown;

const isMaker = (exported: unknown): exported is PolicyMaker => typeof exported === 'function';

const defaultExport = (module: unknown): unknown =>
  typeof module === 'object' && module !== null && 'default' in module ? module.default : undefined;

/** The name under which the log has what the file writes to the console. */
export const nameOf = (file: string): string => file.replace(/^.*\//s, '').replace(/\.\w+$/, '');

function explained(error: unknown, file: string): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'ERR_UNKNOWN_FILE_EXTENSION' && /\.[mc]?ts$/.test(file))
    return `Node ${process.versions.node} reads no TypeScript; 22.18 and later do, or compile it`;
  if (error instanceof SyntaxError) return `${error.message}; "node --check ${file}" shows the line`;
  return errorText(error);
}
