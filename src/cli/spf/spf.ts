/** `postern spf`: what its commands, each a file beside this one, have in common. */
import type { Given } from '../command/command.js';
import { complain } from '../complain.js';
import { spfCheck } from './check.js';
import { spfExit } from './exit.js';
import { spfFlatten } from './flatten.js';
import { spfLint } from './lint.js';
import { spfSuggest } from './suggest.js';

const commands = { check: spfCheck, lint: spfLint, flatten: spfFlatten, suggest: spfSuggest } as const;

/** The exit code. A reader that goes away early (`| head`) is no error of ours, and needs no stack trace. */
export async function spf(what: keyof typeof commands, given: Given): Promise<number> {
  process.stdout.on('error', ({ code }: NodeJS.ErrnoException) => {
    if (code !== 'EPIPE') complain([`the output cannot be written (${code ?? 'error'})`]);
    process.exit(code === 'EPIPE' ? spfExit.ok : spfExit.ioError);
  });
  return commands[what](given);
}
