/** What an operator mistypes, and whether the answer says what to do. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { makeCertificate } from '../support/certificate.js';
import { postern } from './support/postern-command.js';

const root = mkdtempSync(join(tmpdir(), 'postern-typos-'));
after(() => rmSync(root, { recursive: true }));
mkdirSync(join(root, 'a.example'));
writeFileSync(join(root, 'cert.pem'), makeCertificate('one.test.example').cert);
writeFileSync(join(root, 'key.pem'), makeCertificate('other.test.example').key);

/** [what, the words, the exit code, what is said] */
const typos: readonly (readonly [what: string, words: readonly string[], code: number, said: RegExp])[] = [
  ['a command that is nearly one', ['quarantin', 'list'], 64, /no command "quarantin"; did you mean quarantine\?\n$/],
  ['a command that is none', ['frobnicate'], 64, /no command "frobnicate"; the commands are serve, check-config, /],
  [
    'the key of another certificate',
    ['check-config', `--srv=${root}`, `--tls_cert=${root}/cert.pem`, `--tls_key=${root}/key.pem`],
    78,
    /this is not the key of that certificate; /,
  ],
  [
    'a tree that is not there yet',
    ['srv', 'add-domain', 'a.example', `--srv=${root}/svr`],
    74,
    /svr: is not there; mkdir makes it/,
  ],
  [
    'a check with its letters swapped',
    ['srv', 'enable', 'a.example', 'sfp', `--srv=${root}`],
    64,
    /did you mean spf\?/,
  ],
  [
    'a log file in a folder that there is not',
    ['check-config', `--srv=${root}`, `--log_file=${root}/nolog/log`],
    78,
    /^postern: log_file = \S+\/nolog\/log: its folder is not there; mkdir makes it\n/,
  ],
  [
    'a token for a domain that is not hosted',
    ['web', 'token', 'anna', '--domain=exmaple.com', `--srv=${root}`, `--web_tokens=${root}/tokens`, `--state=${root}`],
    0,
    /^postern: warning: exmaple\.com is not hosted: the page has nothing of it until it is\n/,
  ],
  ...['list', 'expire', 'check', 'stats'].map(
    (command) =>
      [
        `${command}: a quarantine that is elsewhere`,
        ['quarantine', command, `--spam=${root}/spma`],
        1,
        /^postern: spam: \S+\/spma is not there; /,
      ] as const,
  ),
];
for (const [what, words, code, said] of typos) {
  test(what, async () => {
    const ran = await postern(words);
    assert.equal(ran.code, code, ran.stderr);
    assert.match(ran.stderr, said);
  });
}
