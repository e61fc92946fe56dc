/** `postern spf`: finds what is to be done with SPF; each of it is a file beside this one. */
import type { CommandLine } from '../load.js';
import { shown } from '../terminal.js';
import { spfCheck } from './check.js';
import { spfExit } from './exit.js';
import { spfFlatten } from './flatten.js';
import { spfLint } from './lint.js';
import { spfSuggest } from './suggest.js';
import { complain, failed } from '../complain.js';
import { nearest } from '../../settings/nearest.js';

const help = `usage: postern spf check --ip=IP [--helo=NAME] [--from=ADDRESS] [--explain] [--json | --header] [--exit-code]
       postern spf check --batch < CASES > ANSWERS
       postern spf lint DOMAIN [--strict] [--ip=IP --from=ADDRESS] [--json]
       postern spf lint [DOMAIN] --record=TXT [--strict] [--json]
       postern spf lint --all [--strict] [--srv=DIR] [--json]
       postern spf flatten DOMAIN [--record=TXT] [--diff] [--json]
       postern spf suggest DOMAIN [ADDRESS | NETWORK | NAME ...] [--end=-all] [--json]

check judges one mail by SPF (RFC 7208) and says why
  --ip=IP          the client's address
  --helo=NAME      what it said in HELO or EHLO; needed when --from is missing or null
  --from=ADDRESS   the reverse-path; '' or '<>' is the null one, judged by the HELO name
  --receiver=NAME  this host's name, for explanations (unknown)
  --explain        show the evaluation as a tree: each term, what was asked and answered
  --json           one JSON object; with --explain it holds the trace
  --header         print the field Received-SPF, as a receiver would; with --explain also X-SPF-TRACE
  --exit-code      exit as spfquery does: 0 pass, 1 fail, 2 softfail, 3 neutral, 4 permerror, 5 temperror, 6 none
  --batch          read JSON lines {"ip","helo","from"}, each perhaps with a "zonedata" of its own, and write a
                   line {"result","explanation","mechanism","problem","lookups","voids"} for each, in order; lines that
                   cannot be read are told on standard error, too

lint says what is wrong or unwise in a record, and counts its look-ups branch by branch
  --record=TXT     this text, not what the domain publishes; without a DOMAIN, --zone or --server nothing is asked of DNS
  --all            every domain in /srv, by the settings of postern serve; JSON is a line for each
  --strict         exit code 65 for warnings as well
  --ip, --helo, --from  a mail, for names with macros: they are asked for as for this mail

flatten prints the record as addresses, for domains that need more look-ups than the ten that are allowed: one record where
it fits into 450 octets, else several that it includes. What depends on the mail stays. The addresses are others', and
change: keep the record that is flattened elsewhere, and compare daily
  --record=TXT     the record to flatten, not what the domain publishes
  --diff           what would change at the domain; exit code 1 when anything would

suggest says what to publish: from the domain's MX, and the addresses and networks that send its mail; a NAME is included
when it has an SPF record, else its addresses are named
  --end=-all       how the record ends: -all, ~all or ?all (~all; -all for a domain without any mail)

all
  --zone=FILE      answers instead of DNS: JSON, {"example.org": {"TXT": [["v=spf1 -all"]], "A": ["192.0.2.1"]}}
  --server=IP:PORT the name server to ask, instead of the system's
  --timeout=TIME   for one evaluation, or one domain (20s)

colour is used on a terminal, unless NO_COLOR is set
exit codes: 0 done, whatever the result, unless --exit-code is given; 1 --diff has found a difference; 64 wrong usage; 65 a
bad line, a bad zone file, or a record in which lint finds an error; 66 a file that cannot be read; 69 DNS did not answer
(flatten, suggest); 74 reading or writing failed
`;

/** The exit code. */
export async function spf({ argv, env }: CommandLine): Promise<number> {
  const [what, ...rest] = argv;
  if (argv.some((word) => word === '--help' || word === '-h') || what === 'help') {
    process.stdout.write(help);
    return spfExit.ok;
  }
  const run = what === undefined ? undefined : commands.get(what);
  if (run !== undefined) return quietly({ argv: rest, env }, run);
  const names = [...commands.keys()].join(', ').replace(/, (\w+)$/, ' or $1');
  if (what === undefined) return failed(spfExit.usage, [`spf: say ${names}; postern spf --help explains`]);
  const meant = nearest(what, commands.keys());
  const hint = meant === undefined ? `say ${names}; postern spf --help explains` : `did you mean ${meant}?`;
  return failed(spfExit.usage, [`there is no "spf ${shown(what, 60)}"; ${hint}`]);
}

const commands: ReadonlyMap<string, (command: CommandLine) => Promise<number>> = new Map([
  ['check', spfCheck],
  ['lint', spfLint],
  ['flatten', spfFlatten],
  ['suggest', spfSuggest],
]);

/** A reader that goes away early (`| head`) is no error of ours, and needs no stack trace. */
async function quietly(command: CommandLine, run: (command: CommandLine) => Promise<number>): Promise<number> {
  process.stdout.on('error', ({ code }: NodeJS.ErrnoException) => {
    if (code !== 'EPIPE') complain([`the output cannot be written (${code ?? 'error'})`]);
    process.exit(code === 'EPIPE' ? spfExit.ok : spfExit.ioError);
  });
  return run(command);
}
