/** How the tests of our own plugins ask them, and read their answers. */
import type { Plugin } from '../../src/hooks/plugin.js';
import { type TestMail, testMail, verdictOf } from '../../src/hooks/testing.js';
import type { Verdict } from '../../src/mail/verdict.js';

/** What the plugin says of the mail, its checks all switched on: its kind, and the public reason where there is one. */
export const said = async (plugin: Plugin, given: TestMail): Promise<string> =>
  textOf(await verdictOf(plugin, testMail({ checks: ['all', plugin.name], ...given })));

export function textOf(verdict: Verdict | undefined): string {
  if (verdict === undefined) return 'nothing';
  if (verdict.kind === 'reject') return `reject ${verdict.enhanced} ${verdict.reason}`;
  if (verdict.kind === 'defer' || verdict.kind === 'refuse')
    return `${verdict.kind} ${verdict.reply.code} ${verdict.reply.enhanced}`;
  return verdict.kind === 'pardon' ? `pardon ${verdict.lifts} ${verdict.log}` : verdict.kind;
}
