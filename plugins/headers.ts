/**
 * headers — rejects mail in which a header field occurs again that may occur once (RFC 5322 §3.6): From, Sender,
 * Reply-To, To, Cc, Bcc, Message-ID, In-Reply-To, References, Subject, Date. Readers show one of the two, filters look
 * at the other. Not part of checks/all: some programs that send honest mail get it wrong.
 *
 *     headers                     all of them
 *     headers From Subject        these alone
 */
import { type Plugin, defineCheck, pass, reject } from '../src/hooks/check.js';

/** As the RFC spells them. */
const names = [
  'From',
  'Sender',
  'Reply-To',
  'To',
  'Cc',
  'Bcc',
  'Message-ID',
  'In-Reply-To',
  'References',
  'Subject',
  'Date',
] as const;

export default function headers(args: readonly string[]): Plugin {
  const wanted = args.length === 0 ? names : args.map(fieldNamed);
  return defineCheck({
    name: 'headers',
    inAll: false,
    inspect({ header }) {
      const again = wanted.find((name) => header.all(name).length > 1);
      if (again === undefined) return pass;
      return reject(`Header field that may occur once - ${again}:`, `${header.all(again).length} fields ${again}:`);
    },
  });
}

function fieldNamed(word: string): string {
  const name = names.find((one) => one.toLowerCase() === word.replace(/:$/, '').toLowerCase());
  if (name === undefined) throw new Error(`"${word}" is none of ${names.join(', ')}`);
  return name;
}
