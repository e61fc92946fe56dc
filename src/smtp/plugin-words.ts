/** What plugins said of a session or of a mail, in order, as the journal has it and as other plugins see it. */
import type { PluginSaying } from '../hooks/plugin.js';
import type { PluginWord } from '../journal/line.js';
import type { Verdict } from '../mail/verdict.js';

/** One that says nothing is left out, and so are those beyond a limit: many recipients may each be objected to. */
export function addWord(said: PluginWord[], word: PluginWord | undefined): void {
  if (word && said.length < maxSaid) said.push(word);
}

const maxSaid = 100;

/** As plugins are shown it. */
export const sayingsOf = (said: readonly PluginWord[]): readonly PluginSaying[] =>
  Object.freeze(
    said.map(([plugin, word, why = '', points]) =>
      Object.freeze({ plugin, word, why, ...(points !== undefined && { points }) }),
    ),
  );

/** Nothing where the plugin was not asked. */
export function wordOf(plugin: string, verdict: Verdict, ms?: number): PluginWord | undefined {
  switch (verdict.kind) {
    case 'skip':
      return undefined;
    case 'pass':
    case 'accept':
      return ms === undefined || ms < 1 ? passOf(plugin) : [plugin, 'pass', `${Math.round(ms)} ms`];
    case 'note':
    case 'pardon':
    case 'taken':
    case 'delay':
      return [plugin, 'pass', verdict.log];
    case 'score':
      return [plugin, 'score', verdict.log, verdict.points];
    case 'route':
    case 'rewrite':
      return [plugin, 'mark', verdict.log];
    case 'reject':
    case 'refuse':
      return [plugin, 'reject', verdict.log];
    case 'defer':
      return [plugin, 'defer', verdict.log];
  }
}

/** What is said most, one for all mails. */
function passOf(plugin: string): PluginWord {
  let word = passes.get(plugin);
  if (word === undefined) passes.set(plugin, (word = Object.freeze<PluginWord>([plugin, 'pass'])));
  return word;
}

const passes = new Map<string, PluginWord>();
