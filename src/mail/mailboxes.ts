/** The addresses in a From: field (RFC 5322 §3.4), as far as a check needs them: what stands where an address should. */

/**
 * One entry a mailbox, in order, without display names, comments and quotes; '' where there is none. Linear in the length
 * of the value; never throws.
 */
export function addressesOf(value: string): string[] {
  return split(value).map((part) => {
    const angle = /<([^<>]*)>/.exec(part);
    return (angle?.[1] ?? part).trim();
  });
}

/** Cuts at commas outside quotes, comments and angle brackets, dropping quoted display names and comments. */
function split(value: string): string[] {
  const parts: string[] = [];
  let part = '';
  let comments = 0;
  let quoted = false;
  let angle = false;
  for (let i = 0; i < value.length; i++) {
    const c = value.charAt(i);
    if (c === '\\' && (quoted || comments > 0)) i++;
    else if (c === '"' && comments === 0) quoted = !quoted;
    else if (quoted) part += angle ? c : '';
    else if (c === '(') comments++;
    else if (c === ')' && comments > 0) comments--;
    else if (comments > 0) continue;
    else if (c === ',' && !angle) {
      parts.push(part);
      part = '';
    } else {
      if (c === '<') angle = true;
      if (c === '>') angle = false;
      part += c;
    }
  }
  return [...parts, part];
}
