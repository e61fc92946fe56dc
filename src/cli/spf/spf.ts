/** `postern spf`: what its commands, each a file beside this one, have in common. */
import type { Given } from '../command/command.js';
import { endWithReader } from '../terminal.js';
import { spfCheck } from './check.js';
import { spfFlatten } from './flatten.js';
import { spfLint } from './lint.js';
import { spfSuggest } from './suggest.js';

const commands = { check: spfCheck, lint: spfLint, flatten: spfFlatten, suggest: spfSuggest } as const;

/** The exit code. */
export async function spf(what: keyof typeof commands, given: Given): Promise<number> {
  endWithReader();
  return commands[what](given);
}
