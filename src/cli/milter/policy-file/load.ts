/** Loads the file of `--policy FILE`: its default export is a policy, or a function of the words behind `--`. */
import { pathToFileURL } from 'node:url';
import { learnsOwnPackage } from '../../../hooks/own-package.js';
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

/** Rejects nothing: what is wrong is one line that says what to do. */
export async function loadPolicy(source: PolicySource, importer = importOnce): Promise<Result<AnyPolicy>> {
  const problem = (text: string): Result<never> => wrong(`${printable(source.file, 300)}: ${printable(text, 600)}`);
  try {
    const made = await defaultOf(source, importer);
    const policy = made.ok ? readPolicy(made.value) : made;
    return policy.ok ? policy : problem(policy.problem);
  } catch (error) {
    return problem(explained(error, source.file));
  }
}

/** The same, although it was loaded before. */
export const loadPolicyAnew = (source: PolicySource): Promise<Result<AnyPolicy>> => loadPolicy(source, importAnew);

async function defaultOf({ file, words }: PolicySource, importer: Importer): Promise<Result<unknown>> {
  const url = pathToFileURL(file).href;
  namePlugin(url, nameOf(file));
  const exported = defaultExport(await moduleOf(url, importer));
  if (isMaker(exported)) return { ok: true, value: await exported(words) };
  if (words.length > 0) return wrong('takes no words: its default export is no function that is given them');
  return { ok: true, value: exported };
}

/** A module that imports `postern/milter`, which may be installed nowhere, is imported once more. */
async function moduleOf(url: string, importer: Importer): Promise<unknown> {
  try {
    return await importer(url);
  } catch (error) {
    if (!learnsOwnPackage(error)) throw error;
    return importAnew(url); // Node remembers that the first failed
  }
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
