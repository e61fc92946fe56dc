/** Plugins that have been asked and have not answered yet: what fails behind their back is their answer. */

type Fail = (error: Error) => void;

const pending = new Map<string, Set<Fail>>();

/** From now on, until the returned function is called. */
export function whilePending(plugin: string, fail: Fail): () => void {
  const all = pending.get(plugin) ?? new Set();
  pending.set(plugin, all.add(fail));
  return () => void all.delete(fail);
}

/** Whose mail it is can be known where the plugin is asked about one only. */
export function failPending(plugin: string, error: Error): boolean {
  const [only, second] = pending.get(plugin) ?? [];
  if (only === undefined || second !== undefined) return false;
  only(error);
  return true;
}
