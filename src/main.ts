#!/usr/bin/env node
/**
 * The command line: finds the command, runs it, exits with its code. Each command is a file in cli/, read when it is
 * called.
 */
import { exit } from './cli/exit-codes.js';
import type { CommandLine } from './cli/load.js';
import { version } from './cli/package-root.js';
import { hideSecrets } from './cli/secret-arguments.js';
import { settingsHelp } from './settings/describe.js';
import { nearest } from './settings/nearest.js';

interface MainCommand {
  readonly run: (command: CommandLine) => number | Promise<number>;
  readonly doc: string;
}

const commands: ReadonlyMap<string, MainCommand> = new Map<string, MainCommand>([
  [
    'serve',
    {
      run: async (line) => (await import('./cli/serve/serve.js')).serve(line),
      doc: 'take mail (--trial: on loopback, with srv-example and a local MTA of its own)',
    },
  ],
  [
    'check-config',
    {
      run: async (line) => (await import('./cli/check-config.js')).checkConfig(line),
      doc: 'say everything that is wrong with settings, plugins and markers',
    },
  ],
  [
    'print-config',
    {
      run: async (line) => (await import('./cli/check-config.js')).printConfigCommand(line),
      doc: 'print all settings, and where each comes from',
    },
  ],
  [
    'demo',
    {
      run: async (line) => (await import('./cli/demo.js')).demo(line),
      doc: 'send mails to a running trial and show what becomes of them',
    },
  ],
  [
    'quarantine',
    {
      run: async (line) => (await import('./cli/quarantine/quarantine.js')).quarantine(line),
      doc: 'list, show, release and delete refused mail; expire, check and count it',
    },
  ],
  [
    'srv',
    {
      run: async (line) => (await import('./cli/srv/srv.js')).srv(line),
      doc: 'make markers (add-domain, allow, block, enable), find those that never count (lint), say which decide (explain)',
    },
  ],
  [
    'test',
    {
      run: async (line) => (await import('./cli/test/test.js')).test(line),
      doc: 'judge a mail as the MX would, and say what each plugin thinks; nothing is sent or stored',
    },
  ],
  [
    'web',
    {
      run: async (line) => (await import('./cli/web.js')).web(line),
      doc: 'the quarantine page alone (serve starts it, too); web token NAME [--domain=D] lets somebody in, web tokens, web revoke NAME',
    },
  ],
  [
    'audit',
    {
      run: async (line) => (await import('./cli/audit.js')).audit(line),
      doc: 'who changed what by page, digest link or command: postern audit [WORD ...] [--json] [--all | --limit=N]',
    },
  ],
  [
    'spf',
    {
      run: async (line) => (await import('./cli/spf/spf.js')).spf(line),
      doc: 'judge a mail by SPF and say why (check), say what is wrong with a record (lint), what to publish (suggest, flatten)',
    },
  ],
  [
    'milter',
    {
      run: async (line) => (await import('./cli/milter/milter.js')).milter(line),
      doc: 'verify senders for Postfix or Sendmail by SPF, or judge what they send on, in the place of spf-milter and sos-milter',
    },
  ],
]);

const help = (): string => `usage: postern COMMAND [--SETTING=VALUE ...]

commands
${[...commands].map(([name, { doc }]) => `  ${name.padEnd(14)} ${doc}\n`).join('')}
settings: in /etc/postern.conf or --config=FILE as NAME = VALUE, in the environment as POSTERN_NAME, or here
${settingsHelp()}`;

/** Commands with a help of their own, or that read no settings of ours. */
const ownHelp = new Set(['srv', 'test', 'quarantine', 'spf', 'milter']);

async function main([name = '--help', ...argv]: readonly string[]): Promise<number> {
  const helpAsked = name === '--help' || name === '-h' || name === 'help';
  if (helpAsked || (argv.some((word) => word === '--help' || word === '-h') && !ownHelp.has(name))) {
    process.stdout.write(help());
    return exit.ok;
  }
  if (name === '--version' || name === '-V') {
    process.stdout.write(`postern ${version}\n`);
    return exit.ok;
  }
  const command = commands.get(name);
  if (command) return command.run({ argv, env: process.env });
  const meant = nearest(name, commands.keys());
  const hint = meant === undefined ? `the commands are ${[...commands.keys()].join(', ')}` : `did you mean ${meant}?`;
  process.stderr.write(`postern: there is no command "${name.replace(/[^\x20-\x7e]/g, '?')}"; ${hint}\n`);
  return exit.usage;
}

const words = process.argv.slice(2);
if (hideSecrets(process.argv, process.env)) process.title = ['postern', ...process.argv.slice(2)].join(' ');
process.exitCode = await main(words);
// A pipe takes 64 KB; process.exit() would drop what waits behind them. Whoever does not read is not waited for.
const flushed = [process.stdout, process.stderr].map(
  (stream) => new Promise<void>((done) => stream.write('', () => done())),
);
await Promise.race([Promise.all(flushed), new Promise((late) => setTimeout(late, 5000))]);
process.exit();
