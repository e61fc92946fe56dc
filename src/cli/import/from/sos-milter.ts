/**
 * sos-milter, whose environment postern milter --policy submission takes as it is: the file of it is copied where the
 * unit reads it, and read to say what is understood otherwise.
 */
import { readText } from '../../../settings/read-text.js';
import { loadSubmission } from '../../milter/submission/config.js';
import type { SourceReader } from '../import.js';

export const readSosMilter: SourceReader = (plan, { path, to }) => {
  const text = readText(path);
  const env = environmentIn(text);
  if (path !== to) plan.file(to, asEnvironmentFile(env), path, true);
  const loaded = loadSubmission({ env, readFile: readText });
  for (const problem of loaded.ok ? loaded.value.warnings : loaded.problem)
    plan.note(loaded.ok ? 'differs' : 'by hand', path, problem);
  if (env['MILTER_SOCKET'] === undefined)
    plan.note(
      'by hand',
      'MILTER_SOCKET',
      'sos-milter’s own default is a socket in /socket, which its container had: name one, such as inet:8891@127.0.0.1',
    );
  plan.note(
    'by hand',
    path,
    'systemctl enable --now postern-submission.socket postern-submission.service in the place of the old one',
  );
  for (const [from, what] of differences) plan.note('differs', from, what);
};

/** KEY=VALUE lines, with `export`, quotes and comments, as a shell, systemd or docker has them. */
function environmentIn(text: string): Readonly<Record<string, string>> {
  const pairs = text.split('\n').flatMap((line) => {
    const [, name, value = ''] = /^\s*(?:export\s+|-\s*)?([A-Za-z_]\w*)\s*[=:]\s*(.*?)\s*$/.exec(line) ?? [];
    const bare = /^(["'])(.*)\1$/.exec(value)?.[2] ?? value;
    return name === undefined || !/^[A-Z]/.test(name) ? [] : [[name, bare] as const];
  });
  return Object.fromEntries(pairs);
}

/** For systemd, which takes a value whole between single quotes. */
const asEnvironmentFile = (env: Readonly<Record<string, string>>): string =>
  Object.entries(env)
    .map(
      ([name, value]) => `${name}=${/^[\w./:@,%+-]*$/.test(value) ? value : `'${value.replaceAll("'", "'\\''")}'`}\n`,
    )
    .join('');

const differences = [
  ['OUTGOING_IPS', 'a record permits us as well where SPF passes for these addresses; SPF_REGEX alone matches texts'],
  ['SPF_REGEX', 'is RE2’s: without look-ahead and back references, and never slow'],
  ['SUBMISSION_DNS_FAILURE', 'while DNS fails mail is put off in reject mode, and not let through'],
  ['METRICS', 'Prometheus and /readyz are there where this says so'],
] as const;
