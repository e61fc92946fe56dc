/**
 * Plugins in a folder of the operator's import `postern` although no package of that name is installed there. Node is
 * told where it is before the first plugin is loaded that may ask for it: what has failed to load once fails for ever.
 * Before Node 22.15 that costs a thread, which nobody else shall pay for.
 */
import { readFileSync } from 'node:fs';
import module, { createRequire, register } from 'node:module';

const faces = ['postern', 'postern/plugin', 'postern/spf', 'postern/dns', 'postern/milter'];

let isOffered = false;

/** Does nothing where the plugin of that file cannot need it: where it imports nothing, or has the package near. */
export function offerOwnPackage(file: string): void {
  if (isOffered || !importsSomething(file) || hasPackage(file)) return;
  isOffered = true;
  const places = Object.fromEntries(faces.map((face) => [face, import.meta.resolve(face)]));
  if (registerHooks === undefined) offerInThread(places);
  else
    registerHooks({
      resolve: (specifier, context, next) => resolved(specifier, places, () => next(specifier, context)),
    });
}

/** The package, or a file of its own, which may import it. */
function importsSomething(file: string): boolean {
  try {
    return /['"]postern['"/]|\b(?:import|from)\s*\(?\s*['"]\.\.?\//.test(readFileSync(file, 'utf8'));
  } catch {
    return false; // whoever imports it says what is wrong
  }
}

function hasPackage(file: string): boolean {
  try {
    createRequire(file).resolve('postern');
    return true;
  } catch {
    return false;
  }
}

type Places = Readonly<Record<string, string>>;
interface ResolvedModule {
  readonly url: string;
  readonly shortCircuit?: boolean;
}

/** A package that is found keeps its place; only what is not found is looked for here. */
function resolved(specifier: string, places: Places, next: () => ResolvedModule): ResolvedModule {
  try {
    return next();
  } catch (error) {
    const url = places[specifier];
    if (url === undefined) throw error;
    return { url, shortCircuit: true };
  }
}

type Resolve = (
  specifier: string,
  context: unknown,
  next: (specifier: string, context: unknown) => ResolvedModule,
) => ResolvedModule;

/** Hooks without a thread. */
const { registerHooks } = module as { registerHooks?: (hooks: { resolve: Resolve }) => void };

/** The same for a Node that has none. */
function offerInThread(places: Places): void {
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
  register(`data:text/javascript,${encodeURIComponent(hook)}`, { data: places });
}
