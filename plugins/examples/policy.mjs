/**
 * policy — what each recipient wants, from an SQLite database that other programs write.
 *
 *     policy /etc/postern/policy.sqlite      behind valid_users in the list
 *
 *     CREATE TABLE policy (recipient TEXT PRIMARY KEY, closed TEXT, tls INTEGER, max_size INTEGER, destination TEXT);
 *
 *     recipient      an address in lower case, or @example.com for all others of the domain
 *     closed         no mail is taken: the reply to whoever sends some
 *     tls            1: only over an encrypted connection
 *     max_size       octets of a mail
 *     destination    where its mail goes, as in the setting relay
 *
 * Recipients of one mail share what becomes of it, so one with other limits is told to come in a mail of its own. Where
 * Node has no node:sqlite (before 22.13), npm sql.js beside the plugin reads the file, anew when it has changed.
 */
import { readFileSync, statSync } from 'node:fs';
import { defer, pass, refuse, reject, reply, route } from 'postern';

const open = await opener();

/** @param {readonly string[]} args @returns {import('postern').Plugin} */
export default function policy([file, ...more]) {
  if (file === undefined || more.length > 0) throw new Error('takes one file, such as /etc/postern/policy.sqlite');
  statSync(file); // throws what is wrong with it
  const database = open(file);

  return {
    name: 'policy',

    rcpt({ recipient, recipients, domain, session, parameters, notes }) {
      const { localPart } = recipient;
      const found = database.get(`${localPart.toLowerCase()}@${domain}`) ?? database.get(`@${domain}`) ?? {};
      if (found.closed) return refuse(reply(550, '5.7.1', found.closed), `${recipient.text} is closed`);
      if (found.tls && !session.secure) return refuse(reply(550, '5.7.10', 'Encryption needed'), 'no TLS');
      const maxSize = found.max_size ?? Infinity;
      if (sizeIn(parameters) > maxSize) return refuse(reply(552, '5.3.4', 'Message too large for this recipient'));
      if (recipients.length > 0 && maxSize !== notes.get('policy')) return defer('', 'other limits', oneByOne);
      notes.set('policy', maxSize);
      return found.destination ? route(found.destination, `${recipient.text} has it there`) : pass;
    },

    dataPost: ({ message, notes }) =>
      message.size > (notes.get('policy') ?? Infinity) ? reject('Message too large for this recipient') : pass,

    close: () => database.close(),
  };
}

const oneByOne = reply(452, '4.5.3', 'Send this recipient in a transaction of its own');

/** RFC 1870 §6: what the client says of the size at MAIL. */
const sizeIn = (parameters) => Number(parameters.find((word) => /^SIZE=/i.test(word))?.slice(5) ?? 0);

const query = 'SELECT closed, tls, max_size, destination FROM policy WHERE recipient = ?';

/** A function of a path, which gives `get(recipient)` and `close()`, and throws where there is no such database. */
async function opener() {
  try {
    const { DatabaseSync } = await import('node:sqlite');
    return (file) => {
      const database = new DatabaseSync(file, { readOnly: true });
      const statement = database.prepare(query);
      return { get: (recipient) => statement.get(recipient), close: () => database.close() };
    };
  } catch {
    const { default: load } = await import('sql.js');
    const { Database } = await load();
    return (file) => new FileInMemory(file, Database);
  }
}

/** The same by sql.js, which knows no files. */
class FileInMemory {
  #file;
  #Database;
  #read = { changed: undefined, statement: undefined, database: undefined };

  constructor(file, Database) {
    this.#file = file;
    this.#Database = Database;
    this.#current();
  }

  get(recipient) {
    const found = this.#current().getAsObject([recipient]);
    return Object.values(found).every((value) => value === undefined) ? undefined : found;
  }

  close() {
    this.#read.database?.close();
  }

  #current() {
    const { mtimeMs, ino } = statSync(this.#file);
    const changed = `${ino} ${mtimeMs}`;
    if (changed === this.#read.changed) return this.#read.statement;
    const database = new this.#Database(readFileSync(this.#file));
    const statement = database.prepare(query);
    this.close();
    this.#read = { changed, statement, database };
    return statement;
  }
}
