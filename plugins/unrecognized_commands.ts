/**
 * unrecognized_commands — hangs up on a client that does not speak SMTP.
 *
 *     unrecognized_commands 4      closes the connection at the fourth unknown command
 */

import type { Plugin } from '../src/hooks/plugin.js';
import { reply } from '../src/mail/reply.js';
import { pass, refuse } from '../src/mail/verdict.js';

export default function unrecognizedCommands([limit = '4', ...more]: readonly string[]): Plugin {
  if (!/^[1-9]\d{0,3}$/.test(limit) || more.length > 0) throw new Error('takes one number, how many are too many');
  return {
    name: 'unrecognized_commands',
    unknownCommand({ session }) {
      if (session.unknownCommands < Number(limit)) return pass;
      return refuse(
        reply(421, '4.7.0', 'Too many unrecognized commands'),
        `${session.unknownCommands} unknown commands`,
      );
    },
  };
}
