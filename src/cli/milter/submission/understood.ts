/**
 * What sos-milter took although its documents do not say so, or say otherwise: where it has one safe meaning it is
 * taken for that, and the operator is told. What could mean two things stays wrong, and `variables` says so.
 */
import { parseServerUri } from '../../../directory/server-uri.js';
import { withoutPasswords } from '../../../mail/secret.js';
import { printable } from '../../../mail/text.js';
import { replyLines } from '../../../milter/submission/reply-lines.js';
import { flag, logLevels } from './variables.js';

export type Environment = Readonly<Record<string, string | undefined>>;

interface Understood {
  readonly env: Environment;
  /** One line for each variable that was not taken by the letter. */
  readonly warnings: readonly string[];
}

interface Understanding {
  /** The text that stands for it. */
  readonly text: string;
  /** The end of a sentence about the variable. */
  readonly told: string;
}

/** Values that are empty, or right as they are, have no reading. */
const readings: Readonly<Record<string, (text: string, env: Environment) => Understanding | undefined>> = {
  LDAP_ENABLED: (text) =>
    flag.parse(text).ok || soundsLikeNo.test(text) ? undefined : { text: 'true', told: 'is understood as true' },
  LDAP_SERVER_URI: (text) => {
    const words = text.split(/[\s,]+/);
    const uris = words.map((uri) => (isBareServer(uri) ? `ldap://${uri}` : uri)).join(' ');
    return words.some(isBareServer)
      ? { text: uris, told: `is understood as ${printable(withoutPasswords(uris), 200)}: without TLS` }
      : undefined;
  },
  LDAP_QUERY_FILTER: (text) =>
    text.includes('%d') ? undefined : { text, told: 'holds no %d: all domains are own ones, or none is' },
  LOG_LEVEL: (text) =>
    logLevels.parse(text).ok ? undefined : { text: 'info', told: 'is no level, and is understood as info' },
  MILTER_MODE: (text) => (/^test.+$/i.test(text) ? { text: 'test', told: 'is understood as test' } : undefined),
  MILTER_NAME: (text, env) =>
    text.includes(' ') && !env['MILTER_SOCKET']?.trim()
      ? { text, told: `holds a space, and so does the socket, /socket/${printable(text, 80)}` }
      : undefined,
  MILTER_REJECT_MESSAGE: longMessage,
  MILTER_TMPFAIL_MESSAGE: longMessage,
};

export function understand(env: Environment): Understood {
  const warnings: string[] = [];
  const taken = Object.entries(readings).flatMap(([name, read]) => {
    const given = env[name]?.trim() ?? '';
    const reading = given === '' ? undefined : read(given, env);
    if (reading === undefined) return [];
    warnings.push(`${name}: "${printable(withoutPasswords(given), 80)}" ${reading.told}`);
    return [[name, reading.text] as const];
  });
  return { env: { ...env, ...Object.fromEntries(taken) }, warnings };
}

/** sos-milter took these for yes as well, which nobody can have meant. */
const soundsLikeNo = /^(?:n|f|none|null|never|not\b.*|disabled?|deactivated)$/i;

const isBareServer = (uri: string): boolean => !uri.includes('://') && parseServerUri(`ldap://${uri}`) !== undefined;

function longMessage(text: string): Understanding | undefined {
  const lines = replyLines(text).length;
  return lines > 1 ? { text, told: `is long: clients are told it in ${lines} lines or more` } : undefined;
}
