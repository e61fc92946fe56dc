/**
 * valid_users — a recipient is deliverable if /srv/DOMAIN/users/valid says so, or the operator's LDAP directory.
 *
 *     users/valid/LOCAL     (file)       accepted
 *     users/valid/LOCAL/    (directory)  accepted from the client addresses that have an entry in it
 *     users/valid/*                      every recipient accepted
 *     users/invalid/LOCAL                refused, whatever else there is
 *
 *     valid_users                               the markers alone
 *     valid_users ahead                         where only users/valid/* speaks, the local MTA is asked: see below
 *     valid_users ldap /etc/postern/users.ldap  where no marker says anything, the directory of that file is asked
 *
 * `ahead` may stand behind the other as well. A recipient that users/valid/* alone makes valid is asked for at the
 * local MTA (MAIL, RCPT, and no mail); which says that there is no such mailbox (550, 551 or 553, of no other class
 * than 5.1.x): the recipient is refused as any other. A yes is remembered for an hour, a no for five minutes. An MTA
 * that is down, slow (5 s), or says anything else, counts as if it had not been asked: the mail gets its own answer at
 * the end.
 *
 * A refused recipient is accepted at RCPT; the mail is read, archived and answered 550 5.1.1. While the directory does
 * not answer, a recipient that only it may know is deferred with 451. Local-parts that an MTA might route elsewhere
 * (with `%` or `!`, say) are not asked for. The file, whose password is not everybody's to read:
 *
 *     uri    = ldaps://ldap.example.org        ldap:// and ldapi:// as well; several are asked in turn
 *     base   = ou=people,dc=example,dc=org
 *     filter = (mail=%s)                       %s the address, %u its local-part, %d its domain, escaped by RFC 4515
 *     bind_dn, bind_password                   without them anonymous
 *     start_tls = yes, ca_file = /etc/…        TLS is verified; ca_file takes the place of the CAs that Node knows
 *     timeout = 5s, cache = 5m, cache_negative = 1m, connections = 4
 */
import { readFileSync } from 'node:fs';
import { Directory } from '../src/directory/directory.js';
import { readDirectoryFile } from '../src/directory/settings.js';
import type { Plugin, RcptContext } from '../src/hooks/plugin.js';
import { defer, note, pass, rejectRecipient, type Verdict } from '../src/mail/verdict.js';

export default function validUsers(args: readonly string[]): Plugin {
  const ahead = args.at(-1) === 'ahead';
  const directory = directoryOf(ahead ? args.slice(0, -1) : args);
  return {
    name: 'valid_users',
    rcpt(context) {
      const { markers, domain, recipient, session } = context;
      const marked = markers.recipient(domain, recipient.localPart, session.clientIp);
      if (marked.kind === 'valid') return ahead && marked.marker === 'users/valid/*' ? byMta(context) : pass;
      if (!directory || marked.kind === 'refused') return rejectRecipient('No such user', marked.why);
      return ask(directory, marked.names, domain);
    },
  };
}

function directoryOf([kind, file, ...more]: readonly string[]): Directory | undefined {
  if (kind === undefined) return undefined;
  if (kind !== 'ldap' || file === undefined || more.length > 0)
    throw new Error('takes nothing, or "ldap" and a file with the settings of the directory, and "ahead" behind it');
  const read = readDirectoryFile(file, { places: ['s', 'u', 'd'], readFile: (path) => readFileSync(path, 'utf8') });
  if (!read.ok) throw new Error(read.problem.join('; '));
  return new Directory(read.value);
}

async function byMta({ askAhead }: RcptContext): Promise<Verdict> {
  const answer = await askAhead();
  if (answer.kind === 'taken') return pass;
  if (answer.kind === 'unknown') return note(`not asked ahead: ${answer.problem}`);
  return rejectRecipient('No such user', `the local MTA: ${answer.text}`);
}

/** The local-part by itself, then without its extension. */
async function ask(directory: Directory, names: readonly string[], domain: string): Promise<Verdict> {
  for (const name of names) {
    const answer = await directory.has({ s: `${name}@${domain}`, u: name, d: domain });
    if (answer.kind === 'found') return pass;
    if (answer.kind === 'failed') return defer('Recipient cannot be looked up now, try again later', answer.problem);
  }
  return rejectRecipient('No such user', 'no marker in users/valid, not in the directory');
}
