/**
 * The plugin of the common kind: one function that looks at a mail and objects, or does not. The runner asks whether
 * the check is on for the domain and whether the mail is settled already; the author's types do not show either.
 */
import { type Verdict, skip } from '../mail/verdict.js';
import { type DataContext, type HookMethods, hookNames, type Plugin } from './plugin.js';

export type { DataContext, GreylistResult, ListProblem, Plugin } from './plugin.js';
export { accept, defer, note, pardon, pass, refuse, reject, score, skip } from '../mail/verdict.js';
export type { Verdict } from '../mail/verdict.js';

/** What a check sees: the mail and where it came from, not the switch files. */
export type Mail = Omit<DataContext, 'markers' | 'rejection' | 'pardoned'>;

/** It may have hooks beside, but `dataPost`, which is `inspect`. */
export interface Check extends Omit<HookMethods, 'dataPost'> {
  /** The marker's name: `/srv/DOMAIN/checks/NAME`. */
  readonly name: string;
  /** Does `checks/all` switch it on as well? Default yes. */
  readonly inAll?: boolean;
  /** A file `/srv/DOMAIN/LIST` that switches it on in the place of the marker, and whose lines it works by. */
  readonly list?: string;
  /** Says what is wrong with the lines of the list, of which empty ones stand for comments. */
  readonly listProblems?: Plugin['listProblems'];
  /** How long `inspect` is waited for, in milliseconds; the setting `plugin_timeout` where it is not given. */
  readonly timeoutMs?: number;
  /** `lines` are those of the list, without comments. */
  inspect(mail: Mail, lines: readonly string[]): Verdict | Promise<Verdict>;
}

/** Makes a plugin of a check. */
export function defineCheck(check: Check): Plugin {
  const { name, list, timeoutMs } = check;
  const inAll = list === undefined && (check.inAll ?? true);
  return {
    ...hooksBeside(check),
    name,
    inAll,
    ...(timeoutMs !== undefined && { timeoutMs }),
    skipsSettled: true,
    ...(list !== undefined && { list }),
    ...(check.listProblems && { listProblems: check.listProblems }),
    switches: [name],
    dataPost(context) {
      if (list === undefined) return check.inspect(context, noLines);
      const lines = context.markers.lines(context.domain, list);
      return lines === undefined ? skip('not enabled') : check.inspect(context, lines);
    },
  };
}

const noLines: readonly string[] = Object.freeze([]);

function hooksBeside(check: Omit<HookMethods, 'dataPost'>): Partial<Plugin> {
  const named = hookNames.flatMap((hook) => {
    const method: unknown = hook === 'dataPost' ? undefined : check[hook];
    return typeof method === 'function' ? [[hook, method.bind(check) as unknown] as const] : [];
  });
  return Object.fromEntries(named);
}
