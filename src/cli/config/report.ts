/** What `postern check-config` says: problems and warnings as they are found, then one line that sums up. */
import type { Problems } from '../../mail/result.js';
import { withoutPasswords } from '../../mail/secret.js';
import type { Given } from '../command/command.js';
import { complain } from '../complain.js';
import { exit } from '../exit-codes.js';
import { jsonLine, render, terminalOf } from '../terminal.js';

export interface Summary {
  readonly domains: number;
  readonly users: number;
  /** Domains whose every user is valid. */
  readonly open_domains: number;
  readonly plugins: number;
  /** The day on which the first of the certificates ends; null where none is set. */
  readonly tls_until: string | null;
}

export class CheckReport {
  readonly #given: Pick<Given, 'env' | 'options'>;
  #errors = 0;
  #warnings = 0;

  constructor(given: Pick<Given, 'env' | 'options'>) {
    this.#given = given;
  }

  /** Says which file was read. */
  begin(text: string): void {
    if (!this.#isJson) process.stdout.write(render([[['settings: ', 'dim'], [text]]], this.#terminal));
  }

  error(problem: string): void {
    this.#errors++;
    if (this.#isJson) process.stdout.write(jsonLine({ severity: 'error', problem: withoutPasswords(problem) }));
    else complain([problem]);
  }

  /** `path` is relative to `root`. */
  warning(problem: string, { root, path }: { readonly root?: string; readonly path?: string } = {}): void {
    this.#warnings++;
    if (this.#isJson) process.stdout.write(jsonLine({ severity: 'warning', path, problem }));
    else complain([`warning: ${path === undefined ? '' : `${root}/${path} `}${problem}`]);
  }

  /** Says the summary and returns the exit code: warnings alone are success. */
  end(file: string | undefined, summary?: Summary): number {
    const [errors, warnings] = [this.#errors, this.#warnings];
    if (this.#isJson)
      process.stdout.write(jsonLine({ good: errors === 0, file: file ?? null, errors, warnings, ...summary }));
    else if (errors > 0) complain([`${counted(errors, 'problem')}: postern would not start`]);
    else if (summary) this.#sumUp(summary);
    return errors > 0 ? exit.config : exit.ok;
  }

  #sumUp({ domains, users, open_domains: open, plugins, tls_until: until }: Summary): void {
    const parts = [
      counted(domains, 'domain'),
      `${counted(users, 'user')}${open === 0 ? '' : ` and all of ${counted(open, 'domain')}`}`,
      counted(plugins, 'plugin'),
      until === null ? 'no TLS' : `TLS until ${until}`,
    ];
    const warnings = this.#warnings;
    const verdict = warnings === 0 ? 'good' : `good, with ${counted(warnings, 'warning')}`;
    const line = [[verdict, warnings === 0 ? 'green' : 'yellow'], [`: ${parts.join(', ')}`]] as const;
    process.stdout.write(render([line], this.#terminal));
  }

  get #isJson(): boolean {
    return this.#given.options.has('json');
  }

  get #terminal() {
    return terminalOf(process.stdout, this.#given.env);
  }
}

/** Reports wrong settings; then nothing else can be looked at. */
export function wrongSettings(given: Given, problems: Problems): number {
  const report = new CheckReport(given);
  for (const problem of problems) report.error(problem);
  return report.end(undefined);
}

export const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`;
