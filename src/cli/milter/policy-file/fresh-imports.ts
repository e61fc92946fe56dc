/**
 * Imports a file anew although Node remembers every module that it has loaded: as often as that is asked for, with all
 * files that it imports by a path. Packages are not loaded again.
 */
import { createRequire, register } from 'node:module';
import { sep } from 'node:path';

/** What is behind `again=` in the address of an importer is passed on to what it imports by a path. */
const hook = `
  export async function resolve(specifier, context, next) {
    const found = await next(specifier, context);
    const again = /[?&]again=\\d+$/.exec(context.parentURL ?? '')?.[0];
    return again && /^(?:\\.{0,2}\\/|file:)/.test(specifier) ? { ...found, url: found.url + again } : found;
  }
`;

let times = 0;

/** Node remembers a CommonJS module by its file alone, whatever the address says. */
function forgetCommonJs(): void {
  const { cache } = createRequire(import.meta.url);
  for (const file of Object.keys(cache)) if (!file.includes(`${sep}node_modules${sep}`)) delete cache[file];
}

/** What the file (a URL) exports now. The first call makes a thread of Node's, which nobody else shall pay for. */
export function importAnew(url: string): Promise<unknown> {
  if (times++ === 0) register(`data:text/javascript,${encodeURIComponent(hook)}`);
  forgetCommonJs();
  return import(`${url}?again=${times}`);
}
