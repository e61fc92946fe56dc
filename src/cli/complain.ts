/** How commands tell what is wrong. */

/** One line a problem, on stderr. */
export function complain(problems: readonly string[]): void {
  for (const problem of problems) process.stderr.write(`postern: ${problem}\n`);
}

/** Complains, and passes on the exit code that the command ends with. */
export function failed(code: number, problems: readonly string[]): number {
  complain(problems);
  return code;
}
