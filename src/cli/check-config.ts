/** `postern check-config` and `postern print-config`: what would be used, and everything that is wrong with it. */
import { printConfig } from '../settings/describe.js';
import { readCertificate } from './service/certificate.js';
import { exit } from './exit-codes.js';
import type { SettingsTask } from './command/command.js';
import { survey } from './serve/survey.js';
import { foldersOf, listOf, srvOf } from './wire.js';
import { loadPlugins } from '../hooks/load.js';
import type { Settings } from '../settings/settings.js';
import { complain, failed } from './complain.js';

/** Exit code 0 when a start would succeed; markers that do nothing are told, but stop nothing. */
export async function checkConfig({ settings }: SettingsTask): Promise<number> {
  const plugins = await loadPlugins(listOf(settings), foldersOf(settings));
  const certificate = readCertificate(settings);
  const problems = [...(plugins.ok ? [] : plugins.problem), ...(certificate.ok ? [] : [certificate.problem])];
  if (plugins.ok) problems.push(...surveyProblems(settings, plugins.value));
  if (problems.length > 0) return failed(exit.config, problems);
  process.stdout.write('postern: the configuration is good\n');
  return exit.ok;
}

/** Tells of markers that do nothing; the problems are those of a tree that cannot be read. */
function surveyProblems(settings: Settings, plugins: Parameters<typeof survey>[1]): string[] {
  try {
    const srv = srvOf(settings);
    for (const { idle, brokenExpiry } of survey(srv, plugins)) {
      const warnings = [...idle.map(({ text }) => text), ...(brokenExpiry === undefined ? [] : [brokenExpiry])];
      complain(warnings.map((text) => `warning: ${text}`));
    }
    return [];
  } catch (error) {
    return [`srv: ${(error as Error).message}`];
  }
}

export function printConfigCommand({ settings, sources }: SettingsTask): number {
  process.stdout.write(printConfig(settings, sources));
  return exit.ok;
}
