/** Settings as every command reads them, and how their problems are told. */
import { readText } from '../settings/read-text.js';
import { type LoadedSettings, loadSettings } from '../settings/settings.js';
import { trialSettings } from '../trial/trial-settings.js';
import { packageRoot } from './package-root.js';

export interface CommandLine {
  /** The words behind the command. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** `--trial` among the words takes the defaults of the trial run. `ownFlags` are the command's own, left in `rest`. */
export function load({ argv, env }: CommandLine, ownFlags: readonly string[] = []): LoadedSettings {
  const trial = argv.includes('--trial');
  return loadSettings({
    argv,
    env,
    readFile: readText,
    otherFlags: ['trial', ...ownFlags],
    ...(trial && { trial: trialSettings(packageRoot) }),
  });
}
