/** How commands tell what is wrong: no octet that a terminal obeys, and no password, comes through here. */
import { ownWrite } from '../hooks/plugin-console.js';
import { withoutPasswords } from '../mail/secret.js';
import { shown } from '../mail/text.js';

const maxComplaint = 4000;

/** One line a problem, on stderr. */
export function complain(problems: readonly string[]): void {
  for (const problem of problems)
    ownWrite(process.stderr)(`postern: ${shown(withoutPasswords(problem), maxComplaint)}\n`);
}

/** Complains, and passes on the exit code that the command ends with. */
export function failed(code: number, problems: readonly string[]): number {
  complain(problems);
  return code;
}

/** One line on stdout, or on stderr where it is about the output and no part of it. */
export function say(line: string, stream: NodeJS.WritableStream = process.stdout): void {
  stream.write(`${shown(line, maxComplaint)}\n`);
}
