/**
 * Imports a file anew although Node remembers every module that it has loaded: as often as that is asked for, with all
 * files that it imports by a path. Packages are not loaded again.
 */
import { register } from 'node:module';

/** What is behind `again=` in the address of an importer is passed on to what it imports by a path. */
const hook = `
  export async function resolve(specifier, context, next) {
    const found = await next(specifier, context);
    const again = /[?&]again=\\d+$/.exec(context.parentURL ?? '')?.[0];
    return again && /^(?:\\.{0,2}\\/|file:)/.test(specifier) ? { ...found, url: found.url + again } : found;
  }
`;

let times = 0;

/** What the file (a URL) exports now. The first call makes a thread of Node's, which nobody else shall pay for. */
export function importAnew(url: string): Promise<unknown> {
  if (times++ === 0) register(`data:text/javascript,${encodeURIComponent(hook)}`);
  return import(`${url}?again=${times}`);
}
