/**
 * What stands behind `FROM:` or `TO:` as some clients write it and Postfix takes it, made what RFC 5321 has there: no
 * angle brackets, blanks inside them, a final dot, tabs between parameters. Text into text, of the same meaning for
 * every reader; mail/address decides whether it is an address.
 */

/**
 * Returns a path in angle brackets with its parameters behind it; undefined where no path can be made out. The octets
 * are given as latin1.
 */
export function tidiedPath(text: string): string | undefined {
  const isBracketed = text.startsWith('<');
  const cut = cutPath(text, isBracketed ? 1 : 0, isBracketed ? '>' : ' \t');
  if (!cut || (!isBracketed && cut.path === '')) return undefined;
  return `<${withoutFinalDot(cut.path)}>${cut.rest.replaceAll('\t', ' ')}`;
}

interface CutPath {
  /** Without the blanks at its ends and beside `@` and `.`; those in quoted strings stay. */
  readonly path: string;
  readonly rest: string;
}

/**
 * The path ends at one of the characters `ends` outside of quoted strings, or, where those are blanks, with the text.
 */
function cutPath(text: string, start: number, ends: string): CutPath | undefined {
  let path = '';
  let isQuoted = false;
  let isBlank = false;
  for (let i = start; i < text.length; i++) {
    const c = text.charAt(i);
    if (isQuoted) {
      path += c === '\\' ? c + text.charAt(++i) : c;
      isQuoted = c !== '"';
    } else if (ends.includes(c)) {
      return { path, rest: text.slice(c === '>' ? i + 1 : i) };
    } else if (c === '<' || c === '>') {
      return undefined;
    } else if (c === ' ' || c === '\t') {
      isBlank = path !== '' && !path.endsWith('@') && !path.endsWith('.');
    } else {
      path += isBlank && c !== '@' && c !== '.' ? ` ${c}` : c;
      isBlank = false;
      isQuoted = c === '"';
    }
  }
  return ends === '>' || isQuoted ? undefined : { path, rest: '' };
}

/** The root of the DNS, which host names in mail leave out (RFC 5321 §2.3.5). */
const withoutFinalDot = (path: string): string =>
  path.includes('@') && path.endsWith('.') && !path.endsWith('..') ? path.slice(0, -1) : path;
