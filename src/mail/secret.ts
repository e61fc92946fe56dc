/** Passwords in text that people see: complaints, print-config, logs. */

/** It stands where a password was. */
export const hidden = '***';

/** The scheme, and what stands before the last @ of the word: a password may hold an @ or a slash. */
const userInfo = /\b([a-z][a-z0-9+.-]*:\/\/)(\S*)@/gi;

/** `redis://anna:***@host` for any URL with a password; where there is no name before it, all is hidden. */
export const withoutPasswords = (text: string): string =>
  text.replace(userInfo, (_, scheme: string, before: string) => {
    const [name = ''] = /^[\w.=,%+-]*:/.exec(before) ?? [];
    return `${scheme}${name}${hidden}@`;
  });
