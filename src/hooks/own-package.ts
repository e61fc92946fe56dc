/**
 * Plugins in a folder of the operator's import `postern/plugin` although no package of that name is installed there.
 * Node is told where it is when the first plugin asks for it in vain: what is told costs a thread, which nobody else
 * shall pay for.
 */
import { register } from 'node:module';

const faces = ['postern', 'postern/plugin', 'postern/spf', 'postern/dns', 'postern/milter'];

/** A package that is found keeps its place; only what is not found is looked for here. */
const hook = `
  let places;
  export const initialize = (given) => { places = given; };
  export async function resolve(specifier, context, next) {
    try {
      return await next(specifier, context);
    } catch (error) {
      const url = places[specifier];
      if (url === undefined) throw error;
      return { url, shortCircuit: true };
    }
  }
`;

let isRegistered = false;

/** Is the error that of a plugin that imports postern, and can it be tried again? */
export function learnsOwnPackage(error: unknown): boolean {
  const { code, message } = error as NodeJS.ErrnoException;
  if (isRegistered || code !== 'ERR_MODULE_NOT_FOUND' || !/package 'postern'/.test(message)) return false;
  isRegistered = true;
  const places = Object.fromEntries(faces.map((face) => [face, import.meta.resolve(face)]));
  register(`data:text/javascript,${encodeURIComponent(hook)}`, { data: places });
  return true;
}
