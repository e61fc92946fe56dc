/** What a command is: a row of the table in cli/commands.ts. How it is found, read and run is beside this. */
import type { Problems } from '../../mail/result.js';
import type { Settings, Sources } from '../../settings/settings.js';
import { failed } from '../complain.js';
import { exit } from '../exit-codes.js';
import { type CommandLine, load } from '../load.js';
import { endWithReader } from '../terminal.js';
import type { OptionTable, Words } from './options.js';

export interface CommandRow {
  /** `serve`, `quarantine list`. */
  readonly name: string;
  /** One line for the list of commands. */
  readonly doc: string;
  /** What stands behind the name, a line for each form that there is. */
  readonly usage?: readonly string[];
  /** What its own help says besides. */
  readonly details?: () => string;
  readonly options?: OptionTable;
  /** Does it take words? `search`: even those that begin with a dash. */
  readonly words?: 'any' | 'search';
  /** The keys of its search; those of the quarantine where none are given. */
  readonly keys?: readonly string[];
  /** Are settings read as by serve? `listed`: its help lists them all. */
  readonly settings?: 'named' | 'listed';
  /** It is a flag without which no settings are read. */
  readonly settingsWith?: string;
  /** Its exit codes, beside those for success, wrong usage and wrong settings. */
  readonly exits?: Readonly<Record<number, string>>;
  /** It is absent where the name is only the first word of others. */
  readonly run?: (given: Given) => number | Promise<number>;
  /** It is true where the command reads its own words, and has a help of its own. */
  readonly isApart?: true;
}

export interface Given extends CommandLine, Words {
  readonly name: string;
}

/** What a command is given that reads settings. */
export interface SettingsTask extends Given {
  readonly settings: Settings;
  readonly sources: Sources;
  /** It is the file that was read; undefined where there was none. */
  readonly file: string | undefined;
}

type OnSettings = Omit<CommandRow, 'run' | 'isApart'> & {
  readonly run: (task: SettingsTask) => number | Promise<number>;
  /** It is called where settings are wrong, in the place of a complaint. */
  readonly wrong?: (given: Given, problems: Problems) => number;
  /** It is true where the command always takes the defaults of the trial run. */
  readonly isTrial?: true;
};

/** A command that reads settings, and ends where they are wrong. */
export const onSettings = ({ run, wrong, isTrial, ...row }: OnSettings): CommandRow => ({
  settings: 'named',
  ...row,
  run: (given) => {
    endWithReader();
    const argv = isTrial ? ['--trial', ...given.argv] : given.argv;
    const loaded = load({ ...given, argv }, Object.keys(row.options ?? {}));
    if (loaded.ok) return run({ ...given, ...loaded.value });
    return wrong?.(given, loaded.problem) ?? failed(exit.config, loaded.problem);
  },
});

/** Complains of the words that a command was given, and says where to read on. */
export function misused({ name }: Pick<Given, 'name'>, problem: string): number {
  const where = problem.endsWith('?') ? '' : `; see postern ${name === '' ? '' : `${name} `}--help`;
  return failed(exit.usage, [`${name === '' ? '' : `${name}: `}${problem}${where}`]);
}
