/** Where the policies log: a sentence, and the facts behind it. */

type LogLine = (facts: object, text: string) => void;

export interface PolicyLog {
  readonly debug: LogLine;
  readonly info: LogLine;
  readonly warn: LogLine;
}
