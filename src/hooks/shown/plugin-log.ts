/** Lines that a plugin writes into the log by itself. Each bears its name, whatever the plugin says beside it. */
import { inspect } from 'node:util';
import type { PluginLog } from '../contexts.js';
import type { HookLog } from '../run.js';

/** UTF-16 units of one line; what is beyond is cut. */
const maxLine = 8192;

/** `log` is called when a line is to be written. */
export function pluginLog(plugin: string, log: () => HookLog): PluginLog {
  const write =
    (level: keyof HookLog): PluginLog[typeof level] =>
    (text: unknown, details) =>
      log()[level]({ plugin, ...(details !== undefined && { details }) }, lineOf(text));
  return Object.freeze({
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
  });
}

/** Authors without a compiler may give anything. */
const lineOf = (text: unknown): string => (typeof text === 'string' ? text : inspect(text)).slice(0, maxLine);
