/**
 * What a client asks of delivery status notifications (RFC 3461 §4), read so that it can be passed on as it came. Pure;
 * who sends any is the MTA behind.
 */
import { type Reply, reply } from '../../mail/reply.js';

type DsnKeyword = 'RET' | 'ENVID' | 'NOTIFY' | 'ORCPT';

/** §4.4: 100 characters; §4.2: 500. */
const maxEnvid = 100;
const maxOrcpt = 500;

const right: Readonly<Record<DsnKeyword, (value: string) => boolean>> = {
  RET: (value) => /^(?:FULL|HDRS)$/i.test(value),
  ENVID: (value) => value.length <= maxEnvid && isXtext(value),
  NOTIFY: isNotify,
  ORCPT: (value) => value.length <= maxOrcpt && isOriginal(value),
};

/** What is wrong with a parameter; undefined where it may go on. */
export function dsnProblem(keyword: DsnKeyword, value: string | true): Reply | undefined {
  return value !== true && right[keyword](value) ? undefined : reply(501, '5.5.4', `Bad ${keyword} (RFC 3461)`);
}

/** §4: printable ASCII, and `+` only before two hexadecimal digits; `=` never comes as far as here. */
const isXtext = (text: string): boolean => /^(?:[!-*,-<>-~]|\+[0-9A-F]{2})*$/.test(text);

/** §4.1: NEVER stands alone. */
function isNotify(value: string): boolean {
  const words = value.toUpperCase().split(',');
  if (words.length === 1 && words[0] === 'NEVER') return true;
  return words.every((word) => /^(?:SUCCESS|FAILURE|DELAY)$/.test(word)) && new Set(words).size === words.length;
}

/** §4.2: the type of the address, and itself as xtext; RFC 6533 §3: `utf-8` holds some of it as it is. */
function isOriginal(value: string): boolean {
  const [, type = '', address = ''] = /^([a-z0-9!#$%&'*+/?^_`{|}~-]+);(.+)$/i.exec(value) ?? [];
  if (type.toLowerCase() === 'utf-8') return /^[^\s\p{Cc}\p{Cf}=]+$/u.test(address);
  return type !== '' && isXtext(address);
}
