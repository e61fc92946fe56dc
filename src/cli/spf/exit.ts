/** How `postern spf` ends: the codes of sysexits.h that only it needs, and those that all commands have. */
import { exit } from '../exit-codes.js';

export const spfExit = {
  ...exit,
  dataError: 65, // EX_DATAERR
  noInput: 66, // EX_NOINPUT
} as const;
