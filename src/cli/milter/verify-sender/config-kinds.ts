/**
 * The kinds of value in spf-milter.conf(5), its syntax to the letter: comma-separated sets, yes or true, texts with
 * macros.
 */
import { type Result, wrong } from '../../../mail/result.js';
import { parseDomain } from '../../../mail/domain.js';
import { type Ip, type Network, parseIp, parseNetwork } from '../../../mail/ip.js';
import { type Endpoint, endpointSpellings, endpointText, parseEndpoint } from '../../../milter/endpoint.js';
import type { ReplyText, ResultField } from '../../../milter/verify-sender/settings.js';
import { parseSenderPattern, type SenderPattern, writeSenderPattern } from '../../../milter/verify-sender/pattern.js';
import { oneOf, valueKind, type ValueKind } from '../../../settings/value-kind.js';
import { parseMacroString } from '../../../spf/macro.js';
import type { SpfResultCode } from '../../../spf/record.js';

export const socket: ValueKind<Endpoint> = {
  label: 'SOCKET',
  right: endpointSpellings,
  parse(text) {
    const parsed = parseEndpoint(text);
    if (parsed.ok) return parsed;
    const hint = /^tcp6?:/i.test(text) ? 'it is inet:, not tcp:; ' : '';
    return { ok: false, problem: `${parsed.problem}; ${hint}must be ${this.right}, such as inet:localhost:3000` };
  },
  write: endpointText,
};

/** A list between commas, possibly empty; an empty item is a mistake. */
export function csv<T>(item: ValueKind<T>, shorthands: ReadonlyMap<string, readonly T[]> = new Map()) {
  const kind: ValueKind<readonly T[]> = {
    label: `${item.label},...`,
    right: `empty, or a list between commas, where each is ${item.right}`,
    parse: (text) => {
      const values: T[] = [];
      for (const word of text === '' ? [] : text.split(',').map((part) => part.trim())) {
        if (word === '') return { ok: false, problem: 'must not hold an empty item between its commas' };
        const short = shorthands.get(word);
        const parsed = item.parse(word);
        if (!short && !parsed.ok) return { ok: false, problem: `"${word}" ${parsed.problem}` };
        values.push(...(short ?? (parsed.ok ? [parsed.value] : [])));
      }
      return { ok: true, value: values };
    },
    write: (values) => values.map((value) => item.write(value)).join(', '),
  };
  return kind;
}

/** Results, each once however often it is named. */
export function resultSet(...results: readonly SpfResultCode[]): ValueKind<ReadonlySet<SpfResultCode>> {
  const list = csv(oneOf(...results));
  return {
    ...list,
    parse: (text) => mapped(list.parse(text), (values) => new Set(values)),
    write: (set) => [...set].join(', '),
  };
}

const fieldNames: readonly ResultField[] = ['Received-SPF', 'Authentication-Results'];

const fieldName: ValueKind<ResultField> = valueKind('FIELD', fieldNames.join(' or '), (text) =>
  fieldNames.find((name) => name.toLowerCase() === text.toLowerCase()),
);

/** In order, none twice; names without case, as header fields are. */
export const resultFields: ValueKind<readonly ResultField[]> = {
  ...csv(fieldName),
  parse: (text) => {
    const parsed = csv(fieldName).parse(text);
    const twice = parsed.ok && new Set(parsed.value).size < parsed.value.length;
    return twice ? { ok: false, problem: 'must not name a field twice' } : parsed;
  },
};

export const flag: ValueKind<boolean> = valueKind(
  'yes|no',
  'yes or no (or true or false)',
  (text) => (/^(?:yes|true)$/.test(text) ? true : /^(?:no|false)$/.test(text) ? false : undefined),
  (value) => (value ? 'yes' : 'no'),
);

/** Whole numbers of 32 bits. */
export const count: ValueKind<number> = valueKind('NUMBER', 'a whole number up to 4294967295', (text) =>
  /^\+?\d{1,10}$/.test(text) && Number(text) <= 0xffff_ffff ? Number(text) : undefined,
);

export const whole = (min: number, max: number): ValueKind<number> =>
  valueKind('NUMBER', `a whole number from ${min} to ${max}`, (text) =>
    /^\d{1,10}$/.test(text) && Number(text) >= min && Number(text) <= max ? Number(text) : undefined,
  );

const network: ValueKind<Network> = valueKind(
  'NETWORK',
  'an address or a network, such as 192.0.2.0/24 or 2001:db8::/32, or the word loopback',
  parseNetwork,
  ({ base, prefix }) => `${base.text}/${prefix}`,
);

/** Our choice: ::ffff:127.0.0.0/104 needs no entry, since such an address is its IPv4 address everywhere here. */
const loopback = ['127.0.0.0/8', '::1/128'].map(parseNetwork).filter((one) => one !== undefined);

export const networks: ValueKind<readonly Network[]> = csv(network, new Map([['loopback', loopback]]));

export const addresses: ValueKind<readonly Ip[]> = csv(
  valueKind('ADDRESS', 'an address, such as 192.0.2.1 or 2001:db8::1', parseIp, ({ text }) => text),
);

/** `example.com`, `.example.com`, `user@example.com` */
export const senderPattern: ValueKind<SenderPattern> = valueKind(
  'SENDER',
  'a domain (example.com), what is below one (.example.com), or an address (user@example.com)',
  parseSenderPattern,
  writeSenderPattern,
);

export const senderPatterns: ValueKind<readonly SenderPattern[]> = csv(senderPattern);

export const domainPatterns: ValueKind<readonly SenderPattern[]> = csv(
  valueKind(
    'DOMAIN',
    'a domain (example.com), or what is below one (.example.com)',
    (text) => (text.includes('@') ? undefined : parseSenderPattern(text)),
    writeSenderPattern,
  ),
);

/** A name of a host or service: a domain, its U-labels made A-labels, or any other word in US-ASCII. */
export const name: ValueKind<string | undefined> = {
  label: 'NAME',
  right: 'a name in letters, digits and marks, without spaces, such as mail.example.org',
  parse(text) {
    if (text === '') return { ok: true, value: undefined };
    const value = parseDomain(text) ?? (/^[!-~]+$/.test(text) ? text : undefined);
    return value === undefined ? { ok: false, problem: `must be ${this.right}` } : { ok: true, value };
  },
  write: (value) => value ?? '',
};

export const fieldNameOfOurs: ValueKind<string> = valueKind(
  'FIELD',
  'the name of a header field that no other program writes or reads in another sense, such as X-SPF-Mark',
  (text) => (/^X-[A-Za-z0-9-]{1,60}$/i.test(text) ? text : undefined),
);

/** RFC 5321 §4.2; only a refusal. */
export const replyCode: ValueKind<number> = valueKind(
  'CODE',
  'a reply code from 400 to 559, such as 550 or 451',
  (text) => (/^[45][0-5]\d$/.test(text) ? Number(text) : undefined),
);

/** RFC 3463 §2; only a refusal. */
export const statusCode: ValueKind<string> = valueKind(
  'STATUS',
  'an enhanced status code of class 4 or 5, such as 5.7.23',
  (text) => (/^[45](?:\.(?:0|[1-9]\d{0,2})){2}$/.test(text) ? text : undefined),
);

export const octalMode: ValueKind<number | undefined> = valueKind(
  'MODE',
  'an octal mode, such as 0660',
  (text) => (/^0?[0-7]{3}$/.test(text) ? Number.parseInt(text, 8) : undefined),
  (value) => (value === undefined ? '' : value.toString(8).padStart(4, '0')),
);

/** A text with RFC 7208 macros in which one `token` may stand, such as `%{exp}`; "" for a text that has none. */
export function replyText(token: '' | '%{exp}' | '%{reason}'): ValueKind<ReplyText> {
  const place = token === '' ? '' : `; ${token} may stand in it once`;
  const right = `a text with macros by RFC 7208 section 7, a percent sign written %%${place}`;
  return {
    label: 'TEXT',
    right,
    parse(text) {
      const at = token === '' ? -1 : indexOfToken(text, token);
      const parts = at < 0 ? [text] : [text.slice(0, at), text.slice(at + token.length)];
      const [before, after] = parts.map((part) => parseMacroString(part, 'explanation'));
      if (!before || 'kind' in before) return misread(before?.problem, right);
      if (after && 'kind' in after) return misread(after.problem, right);
      return { ok: true, value: { before, after } };
    },
    write: ({ before, after }) => (after ? `${before.text}${token}${after.text}` : before.text),
  };
}

const misread = (problem: string | undefined, right: string): Result<never> =>
  wrong(`${problem ?? 'cannot be read'}; must be ${right}`);

/** `%%{exp}` is no token: its percent sign belongs to the one before. */
function indexOfToken(text: string, token: string): number {
  for (let at = text.indexOf(token); at >= 0; at = text.indexOf(token, at + 1)) {
    const percents = /%*$/.exec(text.slice(0, at))?.[0].length ?? 0;
    if (percents % 2 === 0) return at;
  }
  return -1;
}

export const mapped = <A, B>(parsed: Result<A>, make: (value: A) => B): Result<B> =>
  parsed.ok ? { ok: true, value: make(parsed.value) } : parsed;
