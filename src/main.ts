#!/usr/bin/env node
/** The command line: runs the command that it names, and exits with its code. */
import { runCommand } from './cli/command/run.js';
import { commands } from './cli/commands.js';
import { hideSecrets } from './cli/secret-arguments.js';

const argv = process.argv.slice(2);
const env = { ...process.env }; // without what is hidden there, for children
if (hideSecrets(process.argv, process.env)) process.title = ['postern', ...process.argv.slice(2)].join(' ');
process.exitCode = await runCommand({ argv, env }, commands);
// A pipe takes 64 KB; process.exit() would drop what waits behind them. Whoever does not read is not waited for.
const flushed = [process.stdout, process.stderr].map(
  (stream) => new Promise<void>((done) => stream.write('', () => done())),
);
await Promise.race([Promise.all(flushed), new Promise((late) => setTimeout(late, 5000))]);
process.exit();
