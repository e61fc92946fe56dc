/**
 * What a plugin is: an object with a name and any of the hooks below; the engine calls them in the order of the list
 * file. A check of the common kind is shorter: see check.ts. What a hook sees is in contexts.ts.
 */
import type { Verdict } from '../mail/verdict.js';
import type { ListProblem } from '../srv/known-check.js';
import type {
  CloseContext,
  DataContext,
  EnvelopeContext,
  MailContext,
  RcptContext,
  RelayedContext,
  SessionContext,
  UnknownCommandContext,
} from './contexts.js';

export type * from './contexts.js';
export type { ListProblem } from '../srv/known-check.js';

type HookAnswer = Verdict | Promise<Verdict>;

interface Hook<Context, Answer> {
  readonly method?: (context: Context) => Answer;
}

const asked = <Context>(): Hook<Context, HookAnswer> => ({});
const told = <Context>(): Hook<Context, void | Promise<void>> => ({});

/** Every hook, with what a plugin sees at it. A new hook is one line here. */
const hooks = {
  /** Before the greeting. */
  connect: asked<SessionContext>(),
  helo: asked<SessionContext>(),
  mail: asked<MailContext>(),
  /** For each recipient of a hosted domain. */
  rcpt: asked<RcptContext>(),
  /** Before 354: all recipients are known. */
  data: asked<EnvelopeContext>(),
  /** The mail has been read to its end. */
  dataPost: asked<DataContext>(),
  /** The mail is about to be relayed. */
  queue: asked<DataContext>(),
  unknownCommand: asked<UnknownCommandContext>(),
  /** The MTA has taken the mail; nobody waits for an answer. */
  relayed: told<RelayedContext>(),
  /** The transaction is over, whatever became of it; nobody waits for an answer. */
  reset: told<MailContext>(),
  /** The connection is gone; nobody waits for an answer. */
  disconnect: told<SessionContext>(),
  /** The settings that the plugin was loaded with retire, or the process stops; it is waited for a moment. */
  close: told<CloseContext>(),
};

export type HookName = keyof typeof hooks;
export const hookNames = Object.keys(hooks) as readonly HookName[];

export type HookMethod<H extends HookName> = NonNullable<(typeof hooks)[H]['method']>;
export type HookContext<H extends HookName> = Parameters<HookMethod<H>>[0];

/** The hooks at which a plugin is asked for a verdict. */
export type JudgingHook = {
  [H in HookName]: ReturnType<HookMethod<H>> extends HookAnswer ? H : never;
}[HookName];

export type HookMethods = { readonly [H in HookName]?: HookMethod<H> };

/** How a program of others does that a plugin asks. */
export interface FilterMeter {
  /** Time for one mail. */
  readonly seconds: { observe(seconds: number): void };
  /** 1 while it answers, 0 while it does not. */
  readonly up: { value: number };
}

export interface Plugin extends HookMethods {
  readonly name: string;
  /** For a check: does `checks/all` switch it on? undefined: it is no check, and no marker belongs to it. */
  readonly inAll?: boolean;
  /** The file `/srv/DOMAIN/LIST` that switches the check on, in the place of its marker. */
  readonly list?: string;
  /** Says what is wrong with the lines of that file, of which empty ones stand for comments. */
  readonly listProblems?: (lines: readonly string[]) => readonly ListProblem[];
  /** What it asks, for whoever measures how that does. */
  readonly filter?: { readonly name: string; measuredBy(meter: FilterMeter): void };
  /** How long its answers are waited for, in milliseconds; the setting `plugin_timeout` where it is not given. */
  readonly timeoutMs?: number;
  /** At `dataPost` it is not asked about a mail that is rejected or pardoned already. */
  readonly skipsSettled?: boolean;
  /** The markers below `checks/` of which any switches it on at `dataPost`; the word `log` in one only tries it out. */
  readonly switches?: readonly string[];
}
