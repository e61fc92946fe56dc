/** What the compiler has to refuse: each line below an expected error is one that must not compile. */
import type { Plugin } from '../../src/hooks/plugin.js';
import { type HookRun, runHook } from '../../src/hooks/run.js';
import { pass } from '../../src/mail/verdict.js';

export function mistakes(run: HookRun<'rcpt'>): readonly unknown[] {
  const misnamed: Plugin = {
    name: 'a hook by a wrong name',
    // @ts-expect-error -- there is no such hook
    rctp: () => pass,
  };
  const early: Plugin = {
    name: 'a hook that wants to see more than there is yet',
    // @ts-expect-error -- at MAIL there is no recipient
    mail: ({ recipient }) => (recipient === undefined ? pass : pass),
  };
  const mute: Plugin = {
    name: 'a hook without a verdict',
    // @ts-expect-error -- undefined is no verdict
    rcpt: () => undefined,
  };
  return [
    misnamed,
    early,
    mute,
    // @ts-expect-error -- a recipient is seen with all that belongs to it
    runHook({ ...run, context: { nothing: 'at all' } }),
    // @ts-expect-error -- nobody is asked for a verdict when the connection is gone
    runHook({ ...run, hook: 'disconnect' }),
    // @ts-expect-error -- nor when the mail is relayed
    runHook({ ...run, hook: 'relayed' }),
  ];
}
