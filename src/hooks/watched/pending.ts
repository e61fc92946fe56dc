/**
 * Plugins that have been asked and have not answered yet. When code of theirs fails outside the call, that is their
 * answer.
 */

type Fail = (error: Error) => void;

const pending = new Map<string, Set<Fail>>();

/** Notes that the plugin is being asked, until the returned function is called. */
export function whilePending(plugin: string, fail: Fail): () => void {
  const all = pending.get(plugin) ?? new Set();
  pending.set(plugin, all.add(fail));
  return () => void all.delete(fail);
}

/**
 * Fails the question that the plugin is being asked. False where there is none, or where there are several, for then
 * nobody knows which of them failed.
 */
export function failPending(plugin: string, error: Error): boolean {
  const [only, second] = pending.get(plugin) ?? [];
  if (only === undefined || second !== undefined) return false;
  only(error);
  return true;
}
