/**
 * What an hour's filter is asked for: whole mail addresses, their domains, hosted domains, client addresses, ids of
 * mails, queues and tries, Message-IDs; all in lower case.
 */
/** The keys of a line whose values are looked for; those of `to` and `tries` stand within them. */
const pair = /"(domain|from|header_from|address|ip|id|queue|key|message-id)":"((?:[^"\\]|\\.)*)"/g;

/**
 * Those of lines as they are written: an hour has a hundred thousand, and this takes a fifth of the time that reading
 * them does. Half a line may give some, too, which does no harm.
 */
export function addTokens(lines: Buffer, tokens: Set<string>): void {
  const text = lines.toString('latin1');
  pair.lastIndex = 0;
  for (let found = pair.exec(text); found; found = pair.exec(text)) {
    const [, key = '', raw = ''] = found;
    if (raw === '') continue;
    const value = decoded(raw).toLowerCase();
    if (key === 'message-id') tokens.add(bareId(value));
    else if (key === 'from' || key === 'address') addAddress(value, tokens);
    else if (key === 'header_from') for (const address of addressesIn(value)) addAddress(address, tokens);
    else tokens.add(value);
  }
}

/** An address by itself needs no looking for it. */
function addAddress(value: string, tokens: Set<string>): void {
  if (/^[\w.+=-]*@[\w.-]+$/.test(value)) tokens.add(value).add(domainIn(value));
  else for (const address of addressesIn(value)) tokens.add(address).add(domainIn(address));
}

/** Plain ASCII, the common case, is as it stands there. */
function decoded(raw: string): string {
  if (/^[ -[\]-~]*$/.test(raw)) return raw;
  try {
    return String(JSON.parse(`"${Buffer.from(raw, 'latin1').toString()}"`));
  } catch {
    return raw;
  }
}

/** The addresses that stand in a text, in lower case. */
export const addressesIn = (text = ''): readonly string[] =>
  text.includes('@') ? (text.toLowerCase().match(/[^\s<>,;()"]*@[^\s<>,;()"]+/g) ?? []) : [];

export const domainIn = (address: string): string => address.slice(address.lastIndexOf('@') + 1);

/** Without its brackets. */
export const bareId = (messageId = ''): string => messageId.trim().replace(/^<(.*)>$/s, '$1');
