/**
 * tarpit — lets those wait who do not: whoever talks early, says what is no command, or has been refused something in
 * this session hears each further reply later and later. A client that waits costs no more than its connection.
 *
 *     tarpit greeting=2s step=1s max=20s
 *
 *     greeting   how late the greeting is: who speaks before it has talked early
 *     step       how much later a reply comes with each offence
 *     max        but no later than that
 */
import { delay, pass, readArguments, time } from 'postern';

const usual = { greeting: 2_000, step: 1_000, max: 20_000 };

/** @param {readonly string[]} args @returns {import('postern').Plugin} */
export default function tarpit(args) {
  const { greeting, step, max } = readArguments(args, { greeting: time, step: time, max: time }, usual);

  /** @param {import('postern').SessionContext} context */
  function wait(context) {
    const offences = offencesIn(context);
    return offences === 0 ? pass : delay(Math.min(offences * step, max), `${offences} offences`);
  }

  return {
    name: 'tarpit',
    connect: () => delay(greeting),
    helo: wait,
    mail: wait,
    rcpt: wait,
    data: wait,
    unknownCommand: wait,
    // What was refused of a mail is forgotten with it, so the session takes note.
    reset: ({ session, found }) => void session.notes.set('tarpit', refused(found) + earlier(session)),
  };
}

const refused = (found) => found.filter(({ word }) => word === 'reject').length;
const earlier = ({ notes }) => notes.get('tarpit') ?? 0;

const offencesIn = ({ session, found }) =>
  (session.early === undefined ? 0 : 1) + session.unknownCommands + refused(found) + earlier(session);
