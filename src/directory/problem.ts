/** What can go wrong with a directory, and which of the operator's settings it is about. Never holds a password. */

export type FailedPart =
  /** Cannot be reached, or the connection broke. */
  | 'server'
  /** Its certificate, or it has no TLS. */
  | 'tls'
  /** Name or password. */
  | 'bind'
  | 'base'
  | 'filter'
  /** It took too long, or said something else. */
  | 'answer';

export class DirectoryProblem extends Error {
  readonly part: FailedPart;

  constructor(part: FailedPart, text: string) {
    super(text);
    this.part = part;
  }
}

/** The error's own words on one line; an error without any (a refused connection to several addresses) has a code. */
export function wordsOf(error: unknown): string {
  const { message, code, name } = error as NodeJS.ErrnoException;
  return (message || code || name).split('\n')[0] ?? '';
}
