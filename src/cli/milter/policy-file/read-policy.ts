/** What a file of somebody else's exports, if it is a policy: mistakes that types would show are told. */
import { type Result, wrong } from '../../../mail/result.js';
import { printable } from '../../../mail/text.js';
import { editActions, eventFlags } from '../../../milter/negotiation.js';
import type { MilterPolicy } from '../../../milter/policy.js';
import { nearest } from '../../../settings/nearest.js';

/** A policy whose states are its own business. */
export type AnyPolicy = MilterPolicy<unknown, unknown>;

const events = Object.keys(eventFlags);
const functions = [...events, 'abort', 'close', 'newSession', 'newTransaction'];
const stages = ['connect', 'helo', 'mail', 'rcpt', 'data', 'eoh', 'eom'];

const isListOf = (names: readonly string[], value: unknown): boolean =>
  Array.isArray(value) && value.every((one) => typeof one === 'string' && names.includes(one));
const isNames = (value: unknown): boolean => Array.isArray(value) && value.every((one) => typeof one === 'string');

/** Each wish: what it must be, and whether it is. */
const wishes: Readonly<Record<string, readonly [right: string, isRight: (value: unknown) => boolean]>> = {
  edits: [`a list of ${Object.keys(editActions).join(', ')}`, (value) => isListOf(Object.keys(editActions), value)],
  macros: [
    `an object of lists of names, for ${stages.join(', ')}`,
    (value) =>
      typeof value === 'object' &&
      value !== null &&
      Object.entries(value).every(([stage, names]) => stages.includes(stage) && isNames(names)),
  ],
  dispensable: ["['data']", (value) => isListOf(['data'], value)],
  silent: ['a list of events', (value) => isListOf(events, value)],
  refusedRecipients: ['true or false', (value) => typeof value === 'boolean'],
  leadingSpace: ['true or false', (value) => typeof value === 'boolean'],
  dataSize: ["'256K' or '1M'", (value) => value === '256K' || value === '1M'],
};

export function readPolicy(exported: unknown): Result<AnyPolicy> {
  if (!isRecord(exported)) return wrong('the default export must be a policy, or a function that makes one');
  for (const [name, value] of Object.entries(exported)) {
    const problem = value === undefined ? undefined : problemOf(name, value);
    if (problem !== undefined) return wrong(problem);
  }
  if (!isPolicy(exported)) return wrong(`the policy has no handler: it needs one of ${events.join(', ')}`);
  return { ok: true, value: exported };
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function problemOf(name: string, value: unknown): string | undefined {
  const wish = wishes[name];
  if (wish) return wish[1](value) ? undefined : `${name} must be ${wish[0]}`;
  if (functions.includes(name)) return typeof value === 'function' ? undefined : `${name} must be a function`;
  const meant = nearest(name, [...functions, ...Object.keys(wishes)]);
  return `a policy has no "${printable(name, 60)}"; ${meant === undefined ? `there are ${functions.join(', ')}` : `did you mean ${meant}?`}`;
}

/** Everything else of it has been looked at. */
const isPolicy = (value: Readonly<Record<string, unknown>>): value is AnyPolicy & typeof value =>
  events.some((event) => typeof value[event] === 'function');
