import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { zoneProblems } from '../../plugins/shared/zone-line.js';
import { nearest } from '../../src/settings/nearest.js';
import { type MarkerLintOptions, lintTree } from '../../src/srv/lint.js';

function treeOf(t: TestContext, markers: readonly string[]): string {
  const root = mkdtempSync(join(tmpdir(), 'lint-'));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  for (const marker of markers) {
    const [path = '', text = ''] = marker.split('=');
    const [from = '', to] = path.split(' -> ');
    mkdirSync(join(root, to === undefined && path.endsWith('/') ? from : dirname(from)), { recursive: true });
    if (to !== undefined) symlinkSync(to, join(root, from));
    else if (!path.endsWith('/')) writeFileSync(join(root, path), text);
  }
  return root;
}

const found = (root: string, options: Partial<MarkerLintOptions> = {}): string[] =>
  [
    ...lintTree({
      root,
      checks: [
        { name: 'spf' },
        { name: 'dnsbl', list: 'zones', listProblems: zoneProblems },
        { name: 'score', list: 'score' },
        { name: 'late' },
      ],
      expiryProblem: (lines) => (lines.join() === '90d' ? undefined : 'is wrong'),
      relayProblem: (text) => (text.trim() === '192.0.2.7' ? undefined : 'is wrong'),
      nearest,
      mayRead: () => true,
      ...options,
    }),
  ].map(({ path, problem }) => `${path}: ${problem}`);

const good = 'd.example/users/valid/alice';

/** [what, markers beside a good one, the finding; '' for none] */
const table: readonly (readonly [what: string, markers: readonly string[], finding: string])[] = [
  [
    'every marker that can count',
    [
      'd.example/users/valid/*',
      'd.example/users/invalid/bob',
      'd.example/users/valid/news/192.0.2.1',
      'd.example/users/valid/net/192.0.2.0_24',
      'd.example/checks/spf',
      'd.example/checks/all=LOG\n',
      'd.example/checks/dnsbl=log # for now',
      'd.example/expire=90d # three months\n\n',
      'd.example/relay=192.0.2.7\n',
      'd.example/zones=# none yet\nbl.example\n',
      'd.example/blacklisted/ips/2001:db8::_32',
      'd.example/blacklisted/hosts/mail.x.example',
      'd.example/blacklisted/tld/ph',
      'd.example/blacklisted/senders/a+b@x.example',
      'd.example/blacklisted/domains/x.example',
      'd.example/whitelisted/recipients/abuse',
      '_global_/whitelisted/ips/192.0.2.1',
      'bücher.example/users/valid/*',
      'xn--bcher-kva.test/users/valid/*',
      '.git/config',
      'README.txt=about this tree',
      'alias.example -> d.example',
    ],
    '',
  ],
  ['a domain in capitals', ['D2.example/users/valid/a'], 'D2.example: never matches: call it d2.example'],
  ['a domain that is none', ['no domain/users/valid/a'], 'no domain: never matches: no domain'],
  ['a file in the place of a domain', ['f.example'], 'f.example: is a file: a hosted domain is a folder'],
  ['a link out of the tree', ['o.example -> /etc'], 'o.example: is a link out of the tree: no hosted domain'],
  ['a link to nowhere', ['n.example -> /proc/nowhere'], 'n.example: is a link to nowhere'],
  [
    'a domain without users',
    ['e.example/checks/spf'],
    'e.example/users/valid: is empty: no marker makes a recipient valid',
  ],
  [
    'a folder of another name',
    ['d.example/whitelist/ips/192.0.2.1'],
    'd.example/whitelist: means nothing here; did you mean whitelisted?',
  ],
  [
    'a kind of another name',
    ['d.example/blacklisted/ip/192.0.2.1'],
    'd.example/blacklisted/ip: means nothing here; did you mean ips?',
  ],
  [
    'the same for all domains',
    ['_global_/checks/spf'],
    '_global_/checks: means nothing here: there are blacklisted, whitelisted',
  ],
  [
    'a user in capitals',
    ['d.example/users/valid/Bob'],
    'd.example/users/valid/Bob: never matches: names are looked up in lower case, as bob',
  ],
  [
    'a user with a domain',
    ['d.example/users/valid/bob@d.example'],
    'd.example/users/valid/bob@d.example: is looked up by the local-part alone: leave out what begins with @',
  ],
  [
    'a user that is a link to nowhere',
    ['d.example/users/valid/bob -> /proc/nowhere'],
    'd.example/users/valid/bob: is a link to nowhere',
  ],
  [
    'a user who is valid and invalid',
    ['d.example/users/invalid/alice'],
    'd.example/users/valid/alice: is in users/invalid as well, which wins',
  ],
  [
    'a user whom no client may reach',
    ['d.example/users/valid/bob/'],
    'd.example/users/valid/bob: is an empty folder: mail for it is taken from no client',
  ],
  [
    'a client of a user that is no address',
    ['d.example/users/valid/bob/mx'],
    'd.example/users/valid/bob/mx: never matches: no address, and no network such as 192.0.2.0_24',
  ],
  [
    'users in another place',
    ['d.example/users/bob'],
    'd.example/users/bob: means nothing here: there are valid, invalid',
  ],
  [
    'a check that there is not',
    ['d.example/checks/spff'],
    'd.example/checks/spff: does nothing: no plugin "spff" is in the list of plugins; did you mean spf?',
  ],
  [
    'a check without its list',
    ['d.example/checks/dnsbl'],
    'd.example/checks/dnsbl: does nothing without the file d.example/zones',
  ],
  [
    'a check that holds something',
    ['d.example/checks/spf=off'],
    'd.example/checks/spf: is on; what it holds means nothing, but for the word log, or score and points',
  ],
  [
    'points that are none',
    ['d.example/checks/spf=score 2,5'],
    'd.example/checks/spf: holds no number of points, such as score 2.5: mail is deferred',
  ],
  [
    'points that nobody judges',
    ['d.example/checks/spf=score 2'],
    'd.example/checks/spf: gives points that do nothing without the file d.example/score',
  ],
  [
    'points that come too late',
    ['d.example/checks/late=score 2', 'd.example/score=reject 8'],
    'd.example/checks/late: gives points that do nothing: late stands behind score in the list of plugins',
  ],
  [
    'points in the place of thresholds',
    ['d.example/checks/score=score 8', 'd.example/score=reject 8'],
    'd.example/checks/score: judges points, and gives none: the thresholds are lines of d.example/score',
  ],
  [
    'a list that is too large',
    [`d.example/score=${'#'.repeat(70_000)}`],
    'd.example/score: is larger than 65536 octets: mail is deferred',
  ],
  [
    'a time to keep mails that is none',
    ['d.example/expire=soon'],
    'd.example/expire: is wrong; no mail of the domain is too old until this is mended',
  ],
  [
    'a time to keep mails that is a folder',
    ['d.example/expire/'],
    'd.example/expire: must be a file: no mail of the domain is too old until this is mended',
  ],
  [
    'a file of destinations that makes no sense',
    ['d.example/relay=somewhere'],
    'd.example/relay: is wrong; until this is mended the mail of the domain is deferred',
  ],
  [
    'an empty one',
    ['d.example/relay'],
    'd.example/relay: is wrong; until this is mended the mail of the domain is deferred',
  ],
  [
    'a folder of destinations',
    ['d.example/relay/'],
    'd.example/relay: must be a file: the mail of the domain is deferred',
  ],
  [
    'destinations of all domains',
    ['_global_/relay=192.0.2.7'],
    '_global_/relay: means nothing here: there are blacklisted, whitelisted',
  ],
  ['a list without lines', ['d.example/zones=# nothing\n'], 'd.example/zones: holds no zone'],
  [
    'a list with a bad line',
    ['d.example/zones=bl.example\n\nbad line\n'],
    'd.example/zones:3: must be a zone, such as bl.example.org, bl.example.org=127.0.0.2,127.0.0.4/30 or bl.example.org*2.5',
  ],
  [
    'a zone with points that nobody judges',
    ['d.example/zones=bl.example*2\n'],
    'd.example/zones:1: gives points that do nothing without the file score',
  ],
  [
    'a zone with points that are judged',
    ['d.example/zones=bl.example*2\n', 'd.example/score/'],
    'd.example/score: must be a file: mail is deferred',
  ],
  [
    'a folder in the place of a list',
    ['d.example/zones/bl.example'],
    'd.example/zones: must be a file: mail is deferred',
  ],
  [
    'an address that is written otherwise',
    ['d.example/blacklisted/ips/2001:db8:0::1'],
    'd.example/blacklisted/ips/2001:db8:0::1: never matches: call it 2001:db8::1',
  ],
  [
    'a network with host bits',
    ['d.example/blacklisted/ips/192.0.2.1_24'],
    'd.example/blacklisted/ips/192.0.2.1_24: never matches: call it 192.0.2.0_24',
  ],
  [
    'a network that is too long',
    ['d.example/blacklisted/ips/192.0.2.0_33'],
    'd.example/blacklisted/ips/192.0.2.0_33: never matches: no address, and no network such as 192.0.2.0_24',
  ],
  [
    'a top-level domain with two labels',
    ['d.example/blacklisted/tld/com.ph'],
    'd.example/blacklisted/tld/com.ph: never matches: only the last label of a name is looked up here',
  ],
  [
    'a top-level domain with its dot',
    ['d.example/blacklisted/tld/.ph'],
    'd.example/blacklisted/tld/.ph: never matches: call it ph',
  ],
  [
    'a sender without a domain',
    ['d.example/blacklisted/senders/bob'],
    'd.example/blacklisted/senders/bob: never matches: no address such as anna@example.org (a whole domain goes to domains/)',
  ],
  [
    'a domain with a final dot',
    ['d.example/whitelisted/domains/x.example.'],
    'd.example/whitelisted/domains/x.example.: never matches: call it x.example',
  ],
  [
    'a wildcard that is none',
    ['d.example/whitelisted/domains/*'],
    'd.example/whitelisted/domains/*: never matches: the wildcard is for users/valid',
  ],
  [
    'a recipient that an MTA might route',
    ['d.example/whitelisted/recipients/a%b'],
    'd.example/whitelisted/recipients/a%b: never matches: an MTA might route it elsewhere',
  ],
  ['a file in the place of a folder', ['d.example/blacklisted/ips'], 'd.example/blacklisted/ips: must be a folder'],
];
for (const [what, markers, finding] of table) {
  test(what, (t) => assert.deepEqual(found(treeOf(t, [good, ...markers])), finding === '' ? [] : [finding]));
}

test('a folder that anybody may write is told once', (t) => {
  const root = treeOf(t, [good]);
  chmodSync(join(root, 'd.example'), 0o777);
  assert.deepEqual(found(root), ['d.example: is a folder that anybody may write: so may anybody decide']);
});

test('what may not be read is told: folders, and files that hold something', (t) => {
  const root = treeOf(t, [good, 'd.example/checks/spf=log', 'd.example/checks/all']);
  for (const path of ['d.example/users', 'd.example/checks/spf', 'd.example/checks/all'])
    chmodSync(join(root, path), 0o700);
  const told = found(root, { mayRead: ({ mode }) => (mode & 0o004) !== 0 });
  const problem = 'may not be read by the user that postern runs as: mail is deferred';
  assert.deepEqual(told, [
    `: ${problem}`,
    ...['d.example/users', 'd.example/checks/spf'].map((path) => `${path}: ${problem}`),
  ]);
});

test('a tree that is not there is one finding', () => {
  assert.deepEqual(found('/proc/nowhere/srv'), [': /proc/nowhere/srv is not there']);
});
