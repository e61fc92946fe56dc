/** `postern spf`: finds what is to be done with SPF, check or lint; each is a file beside this one. */
import type { CommandLine } from '../load.js';
import { shown } from '../terminal.js';
import { spfCheck } from './check.js';
import { spfExit } from './exit.js';
import { spfLint } from './lint.js';
import { complain } from '../complain.js';

const help = `usage: postern spf check --ip=IP [--helo=NAME] [--from=ADDRESS] [--explain] [--json | --header] [--exit-code]
       postern spf check --batch < CASES > ANSWERS
       postern spf lint DOMAIN [--json]
       postern spf lint [DOMAIN] --record=TXT [--json]

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

both
  --zone=FILE      answers instead of DNS: JSON, {"example.org": {"TXT": [["v=spf1 -all"]], "A": ["192.0.2.1"]}}
  --server=IP:PORT the name server to ask, instead of the system's
  --timeout=TIME   for one evaluation (20s)

colour is used on a terminal, unless NO_COLOR is set
exit codes: 0 done, whatever the result, unless --exit-code is given; 64 wrong usage; 65 a bad line, a bad zone file, or
lint has found an error; 66 a file that cannot be read; 74 reading or writing failed
`;

/** The exit code. */
export async function spf({ argv, env }: CommandLine): Promise<number> {
  const [what, ...rest] = argv;
  if (argv.some((word) => word === '--help' || word === '-h') || what === 'help') {
    process.stdout.write(help);
    return spfExit.ok;
  }
  if (what === 'check' || what === 'lint') return quietly({ argv: rest, env }, what === 'check' ? spfCheck : spfLint);
  complain([
    what === undefined
      ? 'say what to do: postern spf check or postern spf lint; postern spf --help explains'
      : `there is no "spf ${shown(what, 60)}"; say check or lint; postern spf --help explains`,
  ]);
  return spfExit.usage;
}

/** A reader that goes away early (`| head`) is no error of ours, and needs no stack trace. */
async function quietly(command: CommandLine, run: (command: CommandLine) => Promise<number>): Promise<number> {
  process.stdout.on('error', ({ code }: NodeJS.ErrnoException) => {
    if (code !== 'EPIPE') complain([`the output cannot be written (${code ?? 'error'})`]);
    process.exit(code === 'EPIPE' ? spfExit.ok : spfExit.ioError);
  });
  return run(command);
}
