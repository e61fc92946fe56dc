/** `postern print-config`: what would be used, and where each value comes from. */
import { printConfig, shownSettings } from '../../settings/describe.js';
import type { SettingsTask } from '../command/command.js';
import { exit } from '../exit-codes.js';
import { jsonLine } from '../terminal.js';

export function printConfigCommand({ settings, sources, file, options }: SettingsTask): number {
  process.stdout.write(
    options.has('json')
      ? jsonLine({ file: file ?? null, settings: shownSettings(settings, sources) })
      : printConfig(settings, sources),
  );
  return exit.ok;
}
