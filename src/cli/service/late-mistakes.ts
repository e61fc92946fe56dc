/**
 * A plugin's mistake behind its answer: an exception in a timer, a rejection nobody waits for, an `error` event nobody
 * hears. It cuts no mail: it is logged with the plugin's name, its own mail is deferred, and the worker, whose state
 * nobody knows now, asks to be replaced.
 */
import type { FactLog } from './fact-log.js';
import { errorText } from '../../mail/error-text.js';
import { failPending } from '../../hooks/watched/pending.js';
import { pluginIn } from '../../hooks/plugin-console.js';

/** Handles late mistakes from now on; calls `retire` for each. */
export function outliveLateMistakes(log: Pick<FactLog, 'error'>, retire: () => void): void {
  process.on('uncaughtException', (thrown: unknown) => {
    const error = mistakeOf(thrown);
    const plugin = pluginIn(error.stack ?? '');
    const isDeferred = plugin !== undefined && failPending(plugin, error);
    log.error({ ...(plugin !== undefined && { plugin }), deferred: isDeferred, err: error }, 'a late mistake');
    retire();
  });
}

/**
 * What is thrown may be anything, and may throw when it is looked at: that would end the process. So an error of ours
 * says what it was, with its stack where that is text.
 */
function mistakeOf(thrown: unknown): Error {
  try {
    const mistake = new Error(errorText(thrown));
    const stack: unknown = thrown instanceof Error ? thrown.stack : '';
    mistake.stack = typeof stack === 'string' ? stack : '';
    return mistake;
  } catch {
    const mistake = new Error('a value that cannot be shown');
    mistake.stack = '';
    return mistake;
  }
}

/** A plugin does not end the process: its hook fails instead. Returns what takes that back. */
export function keepAlive(): () => void {
  const { exit, abort } = process;
  const refuse = (): never => {
    throw new Error('a plugin must not end the process');
  };
  process.exit = refuse;
  process.abort = refuse;
  return () => Object.assign(process, { exit, abort });
}
