/** Cases rewritten: the same object comes back when nothing had to be changed. */
import type { SpfCase, ZoneItems } from '../../support/spf-cases.js';

/** With every term of its SPF records rewritten; '' removes one. */
export function withTerms(spfCase: SpfCase, rewrite: (term: string) => string): SpfCase {
  return withTexts(spfCase, (text) => {
    if (!isSpf(text)) return text;
    const [version = '', ...terms] = text.split(' ');
    return [version, ...terms.flatMap((term) => (term === '' ? [''] : rewrite(term) || []))].join(' ');
  });
}

/** With every TXT record rewritten, its strings joined. */
export function withTexts(spfCase: SpfCase, rewrite: (text: string) => string): SpfCase {
  return withItems(spfCase, (items) => {
    const texts = items.TXT?.map((strings) => strings.join('')) ?? [];
    const rewritten = texts.map((text) => rewrite(text));
    if (rewritten.every((text, i) => text === texts[i])) return items;
    return { ...items, TXT: rewritten.map((text) => [text]) };
  });
}

/** With what each name holds rewritten. */
export function withItems(spfCase: SpfCase, rewrite: (items: ZoneItems) => ZoneItems): SpfCase {
  const entries = Object.entries(spfCase.zone).map(([name, items]) => ({ name, items, next: rewrite(items) }));
  if (entries.every(({ items, next }) => items === next)) return spfCase;
  return { ...spfCase, zone: Object.fromEntries(entries.map(({ name, next }) => [name, next])) };
}

export const isSpf = (text: string): boolean => /^v=spf1(?: |$)/i.test(text);

export const isUnknownModifier = (term: string): boolean =>
  /^[a-z][a-z0-9._-]*=/i.test(term) && !/^(?:exp|redirect)=/i.test(term);
