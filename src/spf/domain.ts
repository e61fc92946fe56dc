/**
 * Domain names as SPF judges them: well-formedness, A-labels, length. Never throws.
 */

/** RFC 1035 §2.3.4: the longest name in presentation form, and the longest label. */
export const maxNameLength = 253;
const maxLabelLength = 63;

const dot = 0x2e;

/**
 * Could this be asked of DNS? Labels of 1 to 63 octets, at most 253 in all, without a final dot.
 * Any octet may stand in a label (RFC 2181 §11); what is no octet may not.
 */
export function isQueryName(name: string): boolean {
  return labelsFrom(name, 0, anyOctet) > 0;
}

/**
 * RFC 7208 §4.3: check_host() answers "none" for a domain that is malformed or is not a
 * multi-label name. An underscore is fine; an address literal is not a domain at all.
 * `start`: where in a text the domain begins, at whose end it ends.
 */
export function isCheckable(text: string, start = 0): boolean {
  return labelsFrom(text, start, printable) > 1 && !isAddressLiteral(text, start);
}

const anyOctet = { from: 0, to: 0xff };
const printable = { from: 0x20, to: 0x7e };

/**
 * The number of labels behind `begin`; 0 for a name that DNS cannot carry, or with characters outside a range. A loop,
 * for each name is asked about: no regular expression is as quick on a short one.
 */
function labelsFrom(text: string, begin: number, { from, to }: typeof printable): number {
  const end = text.length;
  if (begin === end || end - begin > maxNameLength) return 0;
  let labels = 1;
  let start = begin;
  for (let i = begin; i < end; i++) {
    const code = text.charCodeAt(i);
    if (code === dot) {
      if (i === start || i - start > maxLabelLength) return 0;
      start = i + 1;
      labels++;
    } else if (code < from || code > to) {
      return 0;
    }
  }
  return end === start || end - start > maxLabelLength ? 0 : labels;
}

const isAddressLiteral = (text: string, start: number): boolean =>
  text.charCodeAt(start) === 0x5b && text.endsWith(']');

/** Without the one final dot that the presentation form of a name may have. */
export function withoutFinalDot(name: string): string {
  const last = name.length - 1;
  return last >= 0 && name.charCodeAt(last) === dot ? name.slice(0, last) : name;
}

/**
 * RFC 7208 §7.3: over 253 octets, labels are dropped from the left until the name fits. The
 * final dot goes first. Undefined when nothing is left that DNS could be asked for.
 */
export function fitQueryName(expanded: string): string | undefined {
  let name = withoutFinalDot(expanded);
  if (name.length > maxNameLength) {
    const cut = name.indexOf('.', name.length - maxNameLength - 1);
    if (cut < 0) return undefined;
    name = name.slice(cut + 1);
  }
  return isQueryName(name) ? name : undefined;
}

const internationalName = /^[\p{L}\p{M}\p{N}._-]+$/u;

/**
 * U-labels to A-labels (RFC 7208 §4.3, RFC 8616 §4). Callers are asked for A-labels; a name in
 * U-labels is converted with care: only letters, marks and digits that no compatibility mapping
 * changes, since a full-width or invisible character would make the domain that is checked
 * another one than the domain that is shown. Anything else comes back as it is, to be found malformed.
 */
export function toALabels(domain: string): string {
  if (isAscii(domain)) return domain;
  if (!internationalName.test(domain) || domain.normalize('NFKC') !== domain) return domain;
  try {
    return new URL(`http://${domain}`).hostname;
  } catch {
    return domain;
  }
}

export function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7f) return false;
  return true;
}

/** Is `name` the domain itself or below it? Without case, on label borders (RFC 7208 §5.5). */
export function isWithin(name: string, domain: string): boolean {
  const cut = name.length - domain.length;
  if (cut < 0 || (cut > 0 && name.charCodeAt(cut - 1) !== dot)) return false;
  return name.slice(cut).toLowerCase() === domain.toLowerCase();
}
