/**
 * Tells plugins that nobody asks them any more: their settings have retired, or the process stops. They are waited for
 * a moment, in which they may write down what they hold.
 */
import { errorText } from '../mail/error-text.js';
import type { Plugin } from './plugin.js';
import type { HookLog } from './run.js';
import { closeContext } from './shown/session-views.js';
import type { PluginSurroundings } from './shown/surroundings.js';
import type { HookTable } from './table.js';

interface ClosedServices {
  readonly plugins: HookTable;
  readonly surroundings: PluginSurroundings;
  readonly hookLog: (details: object) => HookLog;
}

/** A process that stops has little time. */
const maxCloseMs = 500;

/** `inUse` are those that go on under the settings of now: a plugin that is no function is the same object again. */
export async function closePlugins(old: ClosedServices, inUse: readonly Plugin[] = []): Promise<void> {
  const closing = old.plugins.of('close').filter(({ plugin }) => !inUse.includes(plugin));
  if (closing.length === 0) return;
  const log = old.hookLog({});
  const failed = (plugin: string, why: string): void => log.error({ plugin, hook: 'close', why }, 'error');
  const all = closing.map(async ({ plugin, name, method }) => {
    try {
      await inTime(
        method.call(
          plugin,
          closeContext(old.surroundings, name, () => log),
        ),
      );
    } catch (error) {
      failed(name, errorText(error));
    }
  });
  await Promise.all(all);
}

async function inTime(closed: void | Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, fail) => {
    timer = setTimeout(() => fail(new Error(`not closed within ${maxCloseMs} ms`)), maxCloseMs);
  });
  try {
    await Promise.race([closed, late]);
  } finally {
    clearTimeout(timer);
  }
}
