/** `postern spf lint`: what it prints, its exit codes, and its answers to nonsense. The rules are in test/spf/lint/. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { behaveByName } from '../dns/support/behaviours.js';
import { type FakeServer, fakeServer } from '../dns/support/fake-server.js';
import { isSafe, spf, zoneFile } from './support/spf-command.js';

const zone = zoneFile({
  'example.org': { TXT: [['v=spf1 include:b.example a:h.example -all']] },
  'b.example': { TXT: [['v=spf1 a:h.example ~all']] },
  'h.example': { A: ['192.0.2.1'], AAAA: ['2001:db8::1'] },
  'warned.example': { TXT: [['v=spf1 ptr -all']] },
  'wrong.example': { TXT: [['v=spf1 include:none.example -all']] },
  'macro.example': { TXT: [['v=spf1 exists:%{l}.%{ir}.list.example include:%{o}.inc.example -all']] },
  'anna.9.2.0.192.list.example': { A: ['127.0.0.2'] },
  'macro.example.inc.example': { TXT: [['v=spf1 foo -all']] },
  'evil.example': { TXT: [['v=spf1 \u001b]0;owned\u0007 \u009b31m include:\u001b[2J.example -all']] },
});
after(() => zone.remove());

const lint = (...words: readonly string[]) => spf(['lint', '--zone', zone.path, ...words]);

describe('lint', () => {
  it('says that a record is good, and counts its look-ups branch by branch', async () => {
    const { code, stdout, stderr } = await lint('example.org');
    assert.deepEqual([code, stderr], [0, '']);
    assert.match(stdout, /^example\.org {2}good {2}3 of 10 look-ups, 0 of 2 void\n/);
    assert.match(stdout, /^example\.org +3$/m);
    assert.match(stdout, /^├─ include:b\.example +2$/m);
    assert.match(stdout, /^│ +└─ a:h\.example +1 /m);
  });

  const codes: readonly [what: string, domain: string, code: number, expected: RegExp][] = [
    ['warnings are exit code 0', 'warned.example', 0, /1 warning[^]*warning +ptr .*RFC 7208 §5\.5/],
    [
      'errors are exit code 65',
      'wrong.example',
      65,
      /1 error[^]*error +none\.example: there is no SPF record, so include:none\.example is permerror/,
    ],
    ['a domain without a record', 'none.example', 65, /1 error[^]*there is no SPF record/],
    ['a final dot and upper case do not matter', 'EXAMPLE.org.', 0, /good/],
  ];
  for (const [what, domain, code, expected] of codes) {
    it(what, async () => {
      const ran = await lint(domain);
      assert.match(ran.stdout, expected);
      assert.deepEqual([ran.code, ran.stderr], [code, '']);
    });
  }

  it('--strict makes warnings exit code 65 as well', async () => {
    assert.equal((await lint('warned.example', '--strict')).code, 65);
    assert.equal((await lint('example.org', '--strict')).code, 0);
  });

  it('asks for names with macros as for the mail of --ip and --from', async () => {
    const without = await lint('macro.example');
    assert.equal(without.code, 0);
    assert.match(without.stdout, /exists:\S+ +1 {2}depends on the mail/);
    const { code, stdout } = await lint('macro.example', '--ip=192.0.2.9', '--from=anna@macro.example');
    assert.equal(code, 65);
    assert.match(stdout, /exists:\S+ +1 {2}anna\.9\.2\.0\.192\.list\.example: a match/);
    assert.match(stdout, /error +macro\.example\.inc\.example: syntax/);
    const odd = await lint('macro.example', '--from=anna@macro.example');
    assert.deepEqual(
      [odd.code, odd.stderr],
      [64, "postern: spf lint: --ip is missing: the client's address; see postern spf lint --help\n"],
    );
  });

  describe('--all', () => {
    const srv = mkdtempSync(join(tmpdir(), 'postern-lint-'));
    for (const name of ['example.org', 'warned.example', 'wrong.example', '_global_']) mkdirSync(join(srv, name));
    after(() => rmSync(srv, { recursive: true }));
    const all = (...words: readonly string[]) => lint('--all', `--srv=${srv}`, ...words);

    it('judges every domain of /srv, and prints what it finds', async () => {
      const { code, stdout, stderr } = await all();
      assert.deepEqual([code, stderr], [65, '']);
      assert.deepEqual(stdout.match(/^\S+ {2}(?:good|\d)/gm), [
        'example.org  good',
        'warned.example  1',
        'wrong.example  1',
      ]);
      assert.doesNotMatch(stdout, /├─|v=spf1/);
    });

    it('is a line of JSON for each', async () => {
      const { stdout } = await all('--json');
      const domains = stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line).domain);
      assert.deepEqual(domains, ['example.org', 'warned.example', 'wrong.example']);
    });

    it('says what it does not take, and that there is no tree', async () => {
      assert.match((await all('example.org')).stderr, /--all judges what every domain of \/srv publishes: name none/);
      const { code, stderr } = await lint('--all', `--srv=${srv}/none`);
      assert.deepEqual(
        [code, stderr],
        [74, `postern: spf lint: ${srv}/none: is not there; mkdir makes it, the setting srv names another\n`],
      );
    });
  });

  it('points to a syntax error with a caret', async () => {
    const { code, stdout } = await spf(['lint', '--record', 'v=spf1 a ip4:192.0.2.0/33 -all']);
    assert.equal(code, 65);
    const lines = stdout.split('\n');
    const at = lines.findIndex((line) => line.includes('ip4:192.0.2.0/33'));
    assert.equal(lines[at + 1]?.indexOf('^'), lines[at]?.indexOf('/33'));
    assert.match(lines[at + 1] ?? '', /from 0 to 32/);
  });

  it('points to one far to the right', async () => {
    const { stdout } = await spf([
      'lint',
      '--record',
      `v=spf1 ${'ip4:192.0.2.1 '.repeat(30)}foo ${'a '.repeat(200)}-all`,
    ]);
    const lines = stdout.split('\n');
    const at = lines.findIndex((line) => line.includes(' foo '));
    assert.equal(lines[at + 1]?.indexOf('^'), lines[at]?.indexOf('foo'));
    assert.ok((lines[at] ?? '').length < 120);
  });

  it('takes a record in quotes, as zone files have it', async () => {
    const { code, stdout } = await spf(['lint', '--record', '"v=spf1 ip4:192" ".0.2.1 -all"']);
    assert.equal(code, 0);
    assert.match(stdout, /good/);
  });

  it('asks nobody about a record alone, but whom it is told to', async () => {
    const record = ['--record', 'v=spf1 include:none.example -all'];
    assert.equal((await spf(['lint', ...record])).code, 0);
    assert.equal((await lint(...record)).code, 65);
    assert.equal((await lint('example.org', ...record)).code, 65);
  });

  it('gives one JSON object with --json', async () => {
    const { code, stdout } = await lint('wrong.example', '--json');
    const { version, domain, errors, warnings, lookups, findings, tree } = JSON.parse(stdout);
    assert.equal(version, 1);
    assert.deepEqual([code, domain, errors, warnings, lookups], [65, 'wrong.example', 1, 0, 1]);
    assert.deepEqual([findings[0].severity, findings[0].domain, findings[0].section], ['error', 'none.example', '5.2']);
    assert.equal(tree.branches[0].term, 'include:none.example');
    assert.deepEqual([findings[0].at, tree.term, tree.note, tree.branches[0].record], [null, null, null, null]);
  });

  it('lets no octet of a record reach the terminal', async () => {
    for (const more of [[], ['--json']]) {
      const { stdout } = await lint('evil.example', ...more);
      assert.ok(stdout !== '' && isSafe(stdout), JSON.stringify(stdout));
    }
    const { stdout } = await spf(['lint', '--record', 'v=spf1 \x1b[31m\u202E\x9b\u{e0041} foo']);
    assert.ok(isSafe(stdout), JSON.stringify(stdout));
  });
});

describe('nonsense', () => {
  const table: readonly [what: string, words: readonly string[], expected: RegExp][] = [
    ['nothing to judge', [], /give a DOMAIN, or --record/],
    ['two domains', ['a.example', 'b.example'], /one DOMAIN at a time/],
    ['a record without --record', ['v=spf1 -all'], /is not a domain such as example\.org/],
    ['an address', ['user@example.org'], /is not a domain/],
    ['an option of check', ['a.example', '--explain'], /no option --explain/],
    ['an empty domain', [''], /is not a domain/],
    ['control characters', ['\x1b[2J\n.example'], /is not a domain/],
  ];
  for (const [what, words, expected] of table) {
    it(`${what}: one line, exit code 64`, async () => {
      const { code, stdout, stderr } = await spf(['lint', ...words]);
      assert.deepEqual([code, stdout], [64, '']);
      assert.match(stderr, expected);
      assert.match(stderr, /^postern: spf lint: [^\n]+\n$/);
      assert.ok(isSafe(stderr));
    });
  }
});

describe('a name server', () => {
  let server: FakeServer;
  before(async () => {
    server = await fakeServer(behaveByName);
  });
  after(() => server.close());

  const domains: readonly [domain: string, expected: RegExp][] = [
    ['ok.test', /good/],
    ['servfail.test', /look-up failed/],
    ['silent.test', /look-up failed/],
    ['binary.test', /0x00/],
    ['nxdomain.test', /there is no SPF record/],
    ['huge.test', /there is no SPF record/],
  ];
  for (const [domain, expected] of domains) {
    it(`${domain}: judged within --timeout`, async () => {
      const { stdout, stderr } = await spf(['lint', domain, '--server', server.address, '--timeout=1s']);
      assert.match(stdout, expected);
      assert.equal(stderr, '');
      assert.ok(isSafe(stdout));
    });
  }
});
