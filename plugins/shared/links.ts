/**
 * The hosts that the links of a mail lead to, for uribl; no plugin itself. Links are read as browsers read them, by the
 * URL parser of the platform: entities, tabs, backslashes, percent signs and invisible letters hide no name from it.
 */
import { parseDomain } from '../../src/mail/domain.js';
import type { Content } from '../../src/mail/content/content.js';

type LinkedText = Pick<Extract<Content, { readonly kind: 'read' }>, 'text' | 'html'>;

/**
 * Each once, in A-labels, in the order in which they come. Addresses are left out. There is room for a hundred thousand
 * links in a mail, so `undefined` comes behind every few hundred of them: others may be served meanwhile.
 */
export function* hostsIn({ text, html }: LinkedText): Generator<string | undefined> {
  const known = new Set<string>();
  const hosts = new Set<string>();
  let links = 0;
  for (const link of linksIn(text, html)) {
    if (++links % atOnce === 0) yield undefined;
    const beginning = /^[^/\\]*[/\\]*[^/\\?#]*/.exec(link)?.[0] ?? link;
    if (known.has(beginning)) continue;
    known.add(beginning);
    const host = hostOf(link);
    if (host === undefined || hosts.has(host)) continue;
    hosts.add(host);
    yield host;
    if (hosts.size >= maxHosts) return;
  }
}

const maxHosts = 1000;
/** Reading so many takes a few milliseconds. */
const atOnce = 250;

function* linksIn(text: string, html: string): Generator<string> {
  yield* written(text);
  const read = withoutEntities(html);
  for (const [, quoted, single, bare] of read.matchAll(attribute)) yield (quoted ?? single ?? bare ?? '').trim();
  yield* written(read);
}

const attribute = /\b(?:href|src|action|background)\s*=\s*(?:"([^"]{0,2000})|'([^']{0,2000})|([^\s>"']{1,2000}))/gi;

/** What a reader would make a link of. */
function* written(text: string): Generator<string> {
  for (const [link] of text.matchAll(/\b(?:(?:https?|ftp):[\\/]{1,9}|www\.)[^\s<>"'()[\]{}|^`]{1,500}/gi))
    yield /^www\./i.test(link) ? `http://${link}` : link;
}

/** `//host/` goes by the scheme of a page, which a mail has none of: readers take http. */
function hostOf(link: string): string | undefined {
  const whole = /^[\\/]{2}/.test(link) ? `http:${link}` : link;
  if (!/^\s*(?:h\s*t\s*t\s*p|f\s*t\s*p)/i.test(whole) || !URL.canParse(whole)) return undefined;
  const name = parseDomain(new URL(whole).hostname.replace(/\.$/, ''));
  return name?.includes('.') ? name : undefined;
}

const named: Readonly<Record<string, string>> = {
  amp: '&',
  colon: ':',
  sol: '/',
  bsol: '\\',
  period: '.',
  tab: '\t',
  newline: '\n',
  commat: '@',
};

/** With the entities that may stand in a link. */
const withoutEntities = (html: string): string =>
  html.replace(
    /&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|([a-z]{2,8}));?/gi,
    (whole, decimal?: string, hex?: string, name?: string) => {
      if (name !== undefined) return named[name.toLowerCase()] ?? whole;
      const code = decimal === undefined ? parseInt(hex ?? '', 16) : Number(decimal);
      return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : '';
    },
  );
