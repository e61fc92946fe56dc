/**
 * One line of the audit: who changed what, when, from where, and with which result; both ways. Leaves the file to
 * audit.ts.
 */
import { cut, lineStart, objectOf, safeLine } from '../lines/json-line.js';

const auditActions = [
  'log-in',
  'log-in failed',
  'log-out',
  'marker made',
  'marker removed',
  'file written',
  'file removed',
  'released',
  'deleted',
  'expired',
  'journal erased',
  'token made',
  'token revoked',
] as const;

export type AuditAction = (typeof auditActions)[number];

export interface AuditEntry {
  /** It is written as RFC 3339 says. */
  readonly time: string;
  /** It is a client's address, or `command line`. */
  readonly from: string;
  /** It is a token's name, a digest's recipient, or `uid=0`; '' for nobody that is known. */
  readonly who: string;
  readonly what: AuditAction;
  /** It is what was changed: a path, a mail, a token's name. */
  readonly target: string;
  /** It is what a file held that was removed or written over. */
  readonly old?: string;
  /** It is what a file holds now, or how a mail was released. */
  readonly detail?: string;
  /** It is `done`, or says why nothing was changed. */
  readonly result: string;
  /** It is the host where that was; it stands in no line, and is known where several hosts share their audits. */
  readonly host?: string;
}

/** Why nothing was changed, for people: `what` names it as done. Undefined where it was. */
export function undoneText({ what, result }: Pick<AuditEntry, 'what' | 'result'>): string | undefined {
  if (result === 'done') return undefined;
  return what === 'log-in failed' ? result : `not done: ${result}`;
}

/** What words are looked for in. */
export const entryText = (entry: AuditEntry): string => Object.values(entry).join('\n').toLowerCase();

/** Does the entry hold each of the words, wherever, in whatever case? */
export function holdsWords(entry: AuditEntry, words: readonly string[]): boolean {
  const text = entryText(entry);
  return words.every((word) => text.includes(word.toLowerCase()));
}

const maxText = 1_000;

export function auditLine(entry: AuditEntry): string {
  const { time, from, who, what, target, old, detail, result } = entry;
  const fields = {
    time,
    from: cut(from, maxText),
    who: cut(who, maxText),
    what,
    target: cut(target, maxText),
    ...(old !== undefined && { old: cut(old, maxText) }),
    ...(detail !== undefined && { detail: cut(detail, maxText) }),
    result: cut(result, maxText),
  };
  return `${safeLine(JSON.stringify(fields))}\n`;
}

/** Undefined for what is no line of ours. The rest of a torn line before it is passed over. */
export function parseAuditLine(line: string): AuditEntry | undefined {
  const value = objectOf(line.slice(Math.max(0, line.lastIndexOf(lineStart))));
  const text = (key: string): string => (typeof value?.[key] === 'string' ? value[key] : '');
  const what = auditActions.find((one) => one === text('what'));
  if (what === undefined || Number.isNaN(Date.parse(text('time')))) return undefined;
  return {
    time: text('time'),
    from: text('from'),
    who: text('who'),
    what,
    target: text('target'),
    ...(typeof value?.['old'] === 'string' && { old: value['old'] }),
    ...(typeof value?.['detail'] === 'string' && { detail: value['detail'] }),
    result: text('result'),
  };
}
