/**
 * HTML without its tags, for a first look at a mail that has nothing else. In linear time; what it gives is text, not
 * markup.
 */

const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: ' ' };

export function htmlText(html: string): string {
  return withoutTags(html)
    .replace(/&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|([a-z]{2,5}));/gi, (whole, decimal, hex, name) => {
      if (typeof name === 'string') return entities[name.toLowerCase()] ?? whole;
      const code = decimal === undefined ? parseInt(String(hex), 16) : Number(decimal);
      return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : '';
    })
    .replace(/[ \t\r\f]+/g, ' ')
    .replace(/ ?\n ?/g, '\n')
    .replace(/\n{3,}/g, '\n\n')
    .trim();
}

const hidden = new Set(['script', 'style', 'head', 'title', 'template']);
const blocks = /^\/?(?:p|div|br|tr|table|h[1-6]|li|ul|ol|blockquote|pre|hr|section|article)$/;

function withoutTags(html: string): string {
  const parts: string[] = [];
  let at = 0;
  while (at < html.length) {
    const open = html.indexOf('<', at);
    if (open < 0) break;
    parts.push(html.slice(at, open).replace(/\s+/g, ' '));
    const name = /^<(\/?[a-z][a-z0-9]*)/i.exec(html.slice(open, open + 30))?.[1]?.toLowerCase();
    if (html.startsWith('<!--', open)) at = after(html, '-->', open);
    else if (name === undefined && !/^<[!?/]/.test(html.slice(open, open + 2))) {
      parts.push('<');
      at = open + 1;
    } else if (name !== undefined && hidden.has(name)) at = after(html, '>', after(html, `</${name}`, open) - 1);
    else at = after(html, '>', open);
    if (name !== undefined && blocks.test(name)) parts.push('\n');
  }
  parts.push(at < html.length ? html.slice(at).replace(/\s+/g, ' ') : '');
  return parts.join('');
}

/** Returns the place behind the next `end`, or the end of the text. */
function after(html: string, end: string, from: number): number {
  const at = html.indexOf(end, from);
  return at < 0 ? html.length : at + end.length;
}
