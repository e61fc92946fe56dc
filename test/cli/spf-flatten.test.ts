/** `postern spf flatten` and `postern spf suggest`: what they print, and how they end. */
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { isSafe, spf, zoneFile } from './support/spf-command.js';

const zone = zoneFile({
  'example.org': {
    TXT: [['v=spf1 mx include:_spf.example.net -all']],
    MX: [
      [10, 'mail.example.org'],
      [20, 'aspmx.l.google.com'],
    ],
  },
  'mail.example.org': { A: ['192.0.2.25'] },
  'www.example.org': { A: ['192.0.2.80'], AAAA: ['2001:db8::80'] },
  '_spf.example.net': { TXT: [['v=spf1 ip4:198.51.100.0/24 a:gone.example.net exists:%{i}.l.example.net ~all']] },
  '_spf.google.com': { TXT: [['v=spf1 ip4:203.0.113.0/24 ~all']] },
  'flat.example': { TXT: [['v=spf1 ip4:192.0.2.25 -all']] },
  'foreign.example': { MX: [[10, 'mx.elsewhere.example']] },
  'mx.elsewhere.example': { A: ['203.0.113.5'] },
  'silent.example': { A: ['192.0.2.1'], MX: [[0, '']] },
  'broken.example': { TXT: [['v=spf1 include:none.example -all']] },
  'evil.example': { TXT: [['v=spf1 exists:\u001b]0;owned\u0007.%{d} -all']] },
  'ends.example': { TXT: [['v=spf1 exists:%{i}"\\;.example ip4:192.0.2.1 -all']] },
  'slow.example': { TXT: [['v=spf1 a -all']], timeout: true },
});
after(() => zone.remove());
const flatten = (...words: readonly string[]) => spf(['flatten', '--zone', zone.path, ...words]);
const suggest = (...words: readonly string[]) => spf(['suggest', '--zone', zone.path, ...words]);

describe('flatten', () => {
  it('prints the record as a zone file has it, and where its networks come from as comments', async () => {
    const { code, stdout, stderr } = await flatten('example.org');
    assert.deepEqual([code, stderr], [0, '']);
    assert.match(stdout, /^; 2 networks, 1 look-up, 1 record of \d+ octets with the name\n/);
    assert.match(
      stdout,
      /\n; mx +1 network\n; include:_spf\.example\.net {2}1 network; exists:\S+ stays: it depends on/,
    );
    assert.match(stdout, /\n; a:gone\.example\.net finds nothing, and is left out\n/);
    assert.match(
      stdout,
      /\nexample\.org\. {2}IN TXT {2}"v=spf1 ip4:192\.0\.2\.25 ip4:198\.51\.100\.0\/24 exists:%\{i\}\.l\.example\.net -all"\n$/,
    );
    for (const line of stdout.trimEnd().split('\n')) assert.match(line, /^; |^example\.org\. {2}IN TXT/);
  });

  it('--diff says which records and addresses would change, and exits with 1', async () => {
    const { code, stdout } = await flatten('flat.example', '--record=v=spf1 include:_spf.google.com -all', '--diff');
    assert.equal(code, 1);
    assert.match(stdout, /\n; - ip4:192\.0\.2\.25\n; \+ ip4:203\.0\.113\.0\/24 {3}include:_spf\.google\.com\n/);
    assert.match(
      stdout,
      /\n- flat\.example\. {2}IN TXT {2}"v=spf1 ip4:192\.0\.2\.25 -all"\n\+ flat\.example\. {2}IN TXT {2}"v=spf1 ip4:203/,
    );
  });

  it('--diff exits with 0 where nothing would change', async () => {
    const { code, stdout } = await flatten('flat.example', '--record="v=spf1 ip4:192.0.2." "25 -all"', '--diff');
    assert.equal(code, 0);
    assert.match(stdout, /; flat\.example publishes just this\n$/);
  });

  it('--json has the records with their strings, the networks and the difference', async () => {
    const { code, stdout } = await flatten('example.org', '--diff', '--json');
    const { version, records, networks, kept, difference, problem } = JSON.parse(stdout);
    assert.deepEqual([code, version, problem], [1, 1, null]);
    assert.deepEqual([records[0].name, records[0].strings.join('')], ['example.org', records[0].text]);
    assert.deepEqual(networks[1], { network: 'ip4:198.51.100.0/24', result: 'pass', from: 'include:_spf.example.net' });
    assert.equal(kept[0].term, 'exists:%{i}.l.example.net');
    assert.deepEqual(
      difference.records.map(({ name }: { name: string }) => name),
      ['example.org'],
    );
  });

  it('quotes what a zone file would take for the end of a string', async () => {
    const { stdout } = await flatten('ends.example');
    assert.match(stdout, /"v=spf1 ip4:192\.0\.2\.1 exists:%\{i\}\\"\\\\;\.example -all"\n$/);
  });

  const ends: readonly [what: string, words: readonly string[], code: number, expected: RegExp][] = [
    ['no domain', [], 64, /give the DOMAIN/],
    ['an address', ['192.0.2.1'], 64, /"192\.0\.2\.1" is not a domain/],
    ['two domains', ['a.example', 'b.example'], 64, /one DOMAIN at a time/],
    [
      'a record that is broken',
      ['broken.example'],
      65,
      /none\.example has no SPF record; postern spf lint broken\.example says more/,
    ],
    ['a record with control characters', ['evil.example'], 65, /in the record of evil\.example/],
    ['no record', ['none.example'], 65, /none\.example has no SPF record/],
    ['DNS that does not answer', ['slow.example'], 69, /failed: .*; half a list would refuse good mail: try again/],
  ];
  for (const [what, words, code, expected] of ends)
    it(`${what}: one line on standard error, exit code ${code}`, async () => {
      const ran = await flatten(...words);
      assert.match(ran.stderr, expected);
      assert.match(ran.stderr, /^postern: spf flatten: [^\n]+\n$/);
      assert.deepEqual([ran.code, ran.stdout], [code, '']);
      assert.ok(isSafe(ran.stderr));
    });

  it('more than ten look-ups: the records are printed, and exit code 65 says that they are too many', async () => {
    const record = `v=spf1 ${Array.from({ length: 300 }, (_, i) => `ip4:10.${i >> 8}.${i & 255}.1`).join(' ')} -all`;
    const { code, stdout, stderr } = await flatten('example.org', `--record=${record}`);
    assert.equal(code, 65);
    assert.match(stdout, /_spf10\.example\.org\. {2}IN TXT {2}\(\n {4}"v=spf1 /);
    assert.match(stderr, /needs \d\d look-ups, and 10 are allowed/);
  });
});

describe('suggest', () => {
  const recordOf = (stdout: string): string | undefined => /^example\.org\. {2}IN TXT {2}"(.*)"$/m.exec(stdout)?.[1];

  it('makes a record of the MX, the addresses and the names that are given', async () => {
    const { code, stdout, stderr } = await suggest(
      'example.org',
      '198.51.100.7',
      '2001:db8::/48',
      '_spf.example.net',
      'www.example.org',
    );
    assert.deepEqual([code, stderr], [0, '']);
    assert.equal(
      recordOf(stdout),
      'v=spf1 ip4:198.51.100.7 ip6:2001:db8::/48 mx include:_spf.google.com include:_spf.example.net a:www.example.org ~all',
    );
    assert.match(stdout, /\n; include:_spf\.google\.com +the provider that takes the mail, by its MX\n/);
    assert.match(stdout, /\n; a:www\.example\.org +its addresses: 192\.0\.2\.80, 2001:db8::80\n/);
    assert.match(stdout, /\n; in the place of v=spf1 mx include:_spf\.example\.net -all\n; without its -all\n/);
  });

  it('suggests records for the HELO names of own hosts that have none', async () => {
    const { stdout } = await suggest('example.org');
    assert.match(stdout, /HELO[^\n]*\nmail\.example\.org\. {2}IN TXT {2}"v=spf1 a -all"\n$/);
  });

  it('takes addresses and names as terms as well, joins networks, and ends as it is told', async () => {
    const { stdout } = await suggest(
      'example.org',
      'ip4:192.0.2.0/25',
      '192.0.2.128/25',
      'include:_spf.example.net',
      '--end=-all',
    );
    assert.equal(recordOf(stdout), 'v=spf1 ip4:192.0.2.0/24 mx include:_spf.google.com include:_spf.example.net -all');
  });

  it('of a domain without any mail is that nobody sends it', async () => {
    const { stdout } = await suggest('silent.example');
    assert.match(stdout, /\nsilent\.example\. {2}IN TXT {2}"v=spf1 -all"\n$/);
    assert.match(stdout, /takes no mail and nothing was named that sends it/);
  });

  it('asks back where somebody else takes the mail', async () => {
    const { stdout } = await suggest('foreign.example');
    assert.match(stdout, /; mx\.elsewhere\.example takes the mail: keep mx only if it sends mail as well\n/);
  });

  it('--json has the record, its strings, why, and what lint finds', async () => {
    const { stdout } = await suggest('example.org', '--json');
    const { version, record, strings, terms, hosts, lookups, findings } = JSON.parse(stdout);
    assert.deepEqual([version, strings, lookups], [1, [record], 2]);
    assert.deepEqual(
      terms.map(({ term }: { term: string }) => term),
      ['mx', 'include:_spf.google.com', '~all'],
    );
    assert.deepEqual(hosts, [{ name: 'mail.example.org', text: 'v=spf1 a -all' }]);
    assert.ok(Array.isArray(findings));
  });

  const ends: readonly [what: string, words: readonly string[], code: number, expected: RegExp][] = [
    ['no domain', [], 64, /give the DOMAIN/],
    [
      'what is no sender',
      ['example.org', 'user@example.org'],
      64,
      /"user@example\.org" is neither an address, a network nor a name/,
    ],
    ['an address that is none', ['example.org', '192.0.2.300'], 64, /"192\.0\.2\.300" is neither/],
    ['another end', ['example.org', '--end=+all'], 64, /--end must be -all, ~all, \?all, not "\+all"/],
    [
      'a name without anything',
      ['example.org', 'nothing.example'],
      65,
      /nothing\.example has neither an SPF record nor an address/,
    ],
    ['DNS that does not answer', ['slow.example'], 69, /look-up of slow\.example failed/],
  ];
  for (const [what, words, code, expected] of ends)
    it(`${what}: one line on standard error, exit code ${code}`, async () => {
      const ran = await suggest(...words);
      assert.match(ran.stderr, expected);
      assert.deepEqual([ran.code, ran.stdout], [code, '']);
    });
});
