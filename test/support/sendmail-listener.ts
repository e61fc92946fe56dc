/** A private Sendmail with the listener of docs/in-front-of.md; what it delivers lands in maildirs. */
import { chmodSync } from 'node:fs';
import { type LocalMta, type OwnSystem, hostname, startLocalMta } from './own-system.js';
import { recipe } from './recipes.js';
import { ofAnyLoad, sendmailProgram, sendmailRoot } from './sendmail.js';

/** `trusting`: without the page's rules for whom the port takes. */
export function startSendmailListener(people: readonly string[], { trusting = false } = {}): Promise<LocalMta> {
  const programs = sendmailRoot() ?? '';
  const begin = async (system: OwnSystem, port: number): Promise<void> => {
    const page = recipe('/etc/mail/sendmail.mc', port);
    const wanted = trusting ? page.replace(/^LOCAL_RULESETS[^]*/m, '') : page;
    system.write('/etc/mail/sendmail.mc', `${head(programs)}${wanted}`);
    system.write('/etc/mail/local-host-names', 'example.com\n');
    system.write('/etc/mail/switch', 'hosts files\naliases files\n');
    system.write('/var/keep.sh', keep, 0o755);
    for (const person of people)
      for (const name of ['tmp', 'new']) chmodSync(system.folder(`/var/home/${person}/Maildir/${name}`), 0o1777);
    chmodSync(system.folder('/var/spool/mqueue'), 0o700);
    const made = system.run('m4', '/etc/mail/sendmail.mc');
    system.write('/etc/mail/sendmail.cf', `O ServiceSwitchFile=/etc/mail/switch\nO ResolverOptions=\n${made}`);
    await system.up(port, sendmailProgram, '-bD', '-C', '/etc/mail/sendmail.cf');
  };
  return startLocalMta({ programs, services: [], people }, begin, (system) => system.output);
}

/** Takes the recipient's name and a mail. */
const keep = `#!/bin/sh
name=$(mktemp "/var/home/$1/Maildir/tmp/XXXXXX") && cat >"$name" && chmod 644 "$name" && mv "$name" "/var/home/$1/Maildir/new"
`;

/** What any sendmail.mc begins with, and delivery by the script above, to one recipient a call. */
const head = (programs: string): string => `divert(-1)
define(\`_CF_DIR_', \`${programs}/usr/share/sendmail/cf/')
include(\`${programs}/usr/share/sendmail/cf/m4/cf.m4')
divert(0)dnl
OSTYPE(\`linux')
undefine(\`ALIAS_FILE')dnl
define(\`confTRUSTED_USER', \`root')dnl
define(\`confDOMAIN_NAME', \`${hostname}')dnl
define(\`confDONT_PROBE_INTERFACES', \`True')dnl
define(\`confTO_IDENT', \`0')dnl
${ofAnyLoad}define(\`confDONT_BLAME_SENDMAIL', \`groupwritabledirpathsafe,runprograminunsafedirpath')dnl
define(\`LOCAL_MAILER_PATH', \`/var/keep.sh')dnl
define(\`LOCAL_MAILER_ARGS', \`keep.sh $u')dnl
define(\`LOCAL_MAILER_FLAGS', \`Pn9')dnl
`;
