/** `postern spf check` for one mail: what it prints, and what it answers to nonsense. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { readReceivedSpf } from '../../src/spf/fields/received-spf.js';
import { behaveByName } from '../dns/support/behaviours.js';
import { type FakeServer, fakeServer, reply } from '../dns/support/fake-server.js';
import { a, T, txt } from '../dns/support/wire.js';
import { isSafe, spf, startSpf, zoneFile } from './support/spf-command.js';

const zone = zoneFile({
  'example.org': {
    TXT: [['v=spf1 include:_spf.example.net a mx ip4:203.0.113.0/24 ', '-all exp=why.example.org']],
    A: ['192.0.2.1'],
    MX: [[10, 'mail.example.org']],
  },
  'mail.example.org': { A: ['192.0.2.2'] },
  'why.example.org': { TXT: [['%{i} is no host of %{d}, sent to %{r}']] },
  '_spf.example.net': { TXT: [['v=spf1 ip4:198.51.100.0/24 ?all']] },
  'open.example': { TXT: [['v=spf1 ip4:198.51.100.1']] },
  'soft.example': { TXT: [['v=spf1 ~all']] },
  'redirect.example': { TXT: [['v=spf1 redirect=open.example x-unknown=1']] },
  'helo.example': { TXT: [['v=spf1 a -all']], A: ['192.0.2.9'] },
  'evil.example': {
    TXT: [['v=spf1 exists:\u001b]0;owned\u0007.%{d} -all']],
  },
  'colour.example': { TXT: [['v=spf1 exists:%{l}.%{d} -all exp=x.colour.example']] },
  'x.colour.example': { TXT: [['%{s} may not']] },
  'two.example': { TXT: [['v=spf1 a -all'], ['v=spf1 mx -all']] },
  'slow.example': { TXT: [['v=spf1 a -all']], timeout: true },
  'broken.example': { TXT: [['v=spf1 include:syntax.example -all']] },
  'syntax.example': { TXT: [['v=spf1 a ip4:192.0.2.300 -all']] },
});
after(() => zone.remove());

const check = (words: readonly string[], env: Record<string, string> = {}) =>
  spf(['check', '--zone', zone.path, ...words], { env });

const refused = ['--ip=192.0.2.9', '--helo=h.example', '--from=user@example.org'];

describe('a mail', () => {
  it('is told with result, sentence, mechanism, explanation and look-ups', async () => {
    const { code, stdout, stderr } = await check([...refused, '--receiver', 'mx.example.com']);
    assert.deepEqual([code, stderr], [0, '']);
    assert.match(stdout, /^fail +example\.org does not permit 192\.0\.2\.9 to send its mail by -all\n/);
    assert.match(stdout, /mechanism +-all +\(in the record of example\.org\)/);
    assert.match(
      stdout,
      /"192\.0\.2\.9 is no host of example\.org, sent to mx\.example\.com" +\(example\.org's own words\)/,
    );
    assert.match(stdout, /look-ups +3 of 10, 0 of 2 void/);
  });

  const results: readonly [what: string, words: readonly string[], expected: RegExp][] = [
    [
      'pass of an included record',
      ['--ip=198.51.100.9', '--from=u@example.org'],
      /^pass .*\n.*\n.*include:_spf\.example\.net/,
    ],
    [
      'a mapped address is its IPv4 address',
      ['--ip=::ffff:198.51.100.9', '--from=u@example.org'],
      /^pass .*198\.51\.100\.9/,
    ],
    [
      'the null reverse-path is judged by HELO',
      ['--ip=192.0.2.9', '--helo=helo.example', '--from='],
      /^pass .*\n.*postmaster@helo\.example/,
    ],
    [
      'so is <>',
      ['--ip', '192.0.2.9', '--helo', 'helo.example', '--from', '<>'],
      /^pass .*\n.*postmaster@helo\.example/,
    ],
    ['so is none at all', ['--ip=192.0.2.9', '--helo=helo.example'], /^pass .*\n.*HELO name/],
    ['brackets around the reverse-path are no part of it', ['--ip=192.0.2.9', '--from=<u@helo.example>'], /^pass /],
    ['no term matches', ['--ip=192.0.2.9', '--from=u@open.example'], /^neutral [^]*default +\(no term/],
    ['no record', ['--ip=192.0.2.9', '--from=u@none.example'], /^none .*none\.example has no SPF record/],
    ['several records', ['--ip=192.0.2.9', '--from=u@two.example'], /^permerror .*several SPF records/],
    ['DNS fails', ['--ip=192.0.2.9', '--from=u@slow.example'], /^temperror .*timed out/],
    ['no domain at all', ['--ip=192.0.2.9', '--from=user', '--helo='], /^none /],
  ];
  for (const [what, words, expected] of results) {
    it(what, async () => {
      const { code, stdout, stderr } = await check(words);
      assert.match(stdout, expected);
      assert.deepEqual([code, stderr], [0, '']);
    });
  }
});

describe('--explain', () => {
  it('shows each term with what was asked and answered, as a tree', async () => {
    const { stdout } = await check([...refused, '--explain']);
    const lines = stdout.split('\n');
    const has = (pattern: RegExp): void =>
      assert.ok(
        lines.some((line) => pattern.test(line)),
        `${pattern} in\n${stdout}`,
      );
    has(/^example\.org {2}v=spf1 include.*3 of 10 look-ups, 0 of 2 void/);
    has(/^├─ include:_spf\.example\.net {2}no match \(it says neutral\)$/);
    has(/^│ {2}└─ _spf\.example\.net {2}v=spf1 ip4:198\.51\.100\.0\/24 \?all$/);
    has(/^│ {5}├─ ip4:198\.51\.100\.0\/24 {2}no match$/);
    has(/^├─ a {2}no match +A example\.org → 192\.0\.2\.1$/);
    has(/^│ +MX example\.org → 10 mail\.example\.org$/);
    has(/^│ +A mail\.example\.org → 192\.0\.2\.2$/);
    has(/^├─ -all {2}match → fail$/);
    has(/^└─ exp=why\.example\.org {2}gives the explanation +TXT why\.example\.org → %\{i\} is no host/);
  });

  const trees: readonly [what: string, words: readonly string[], expected: readonly RegExp[]][] = [
    [
      'what was not reached',
      ['--ip=198.51.100.9', '--from=u@example.org'],
      [/a mx ip4:203\.0\.113\.0\/24 -all {2}not reached/, /exp=\S+ {2}not used/],
    ],
    [
      'a redirect, and that nothing matched',
      ['--ip=192.0.2.9', '--from=u@redirect.example'],
      [
        /redirect=open\.example {2}followed\n│? +└─ open\.example/,
        /no term matched → neutral/,
        /x-unknown=1 {2}ignored/,
      ],
    ],
    [
      'a failed look-up',
      ['--ip=192.0.2.9', '--from=u@slow.example'],
      [/─ a {2}temperror +A slow\.example → failed: timed out/],
    ],
    [
      'the place of a syntax error',
      ['--ip=192.0.2.9', '--from=u@broken.example'],
      [/include:syntax\.example {2}permerror/, /v=spf1 a ip4:192\.0\.2\.300 -all\n│ +\^ ip4 needs an IPv4 address/],
    ],
    [
      'the records of which there are several',
      ['--ip=192.0.2.9', '--from=u@two.example'],
      [/v=spf1 a -all\n +v=spf1 mx -all/],
    ],
    ['a name that does not exist', ['--ip=192.0.2.9', '--from=u@none.example'], [/TXT none\.example → no such name/]],
  ];
  for (const [what, words, expected] of trees) {
    it(`shows ${what}`, async () => {
      const { stdout } = await check([...words, '--explain']);
      for (const pattern of expected) assert.match(stdout, pattern);
    });
  }

  it('is in colour where that is wanted, and nowhere else', async () => {
    const coloured = await check([...refused, '--explain'], { FORCE_COLOR: '1' });
    assert.match(coloured.stdout, /\x1b\[31mfail\x1b\[39m/);
    const plain = await check([...refused, '--explain']);
    const refusedColour = await check([...refused, '--explain'], { FORCE_COLOR: '1', NO_COLOR: '1' });
    assert.ok(isSafe(plain.stdout) && isSafe(refusedColour.stdout));
    assert.equal(coloured.stdout.replace(/\x1b\[\d+m/g, ''), plain.stdout);
  });
});

describe('--json', () => {
  it('is one object, with the trace when it is asked for', async () => {
    const short = JSON.parse((await check([...refused, '--json'])).stdout);
    assert.deepEqual(
      [short.version, short.result, short.mechanism, short.mechanismDomain, short.lookups, short.voids, short.problem],
      [1, 'fail', '-all', 'example.org', 3, 0, null],
    );
    assert.match(short.reason, /does not permit/);
    assert.ok(!('trace' in short));
    assert.ok(short.explanation !== undefined);
    const { stdout: passed } = await check(['--ip=192.0.2.1', '--helo=h.example', '--from=u@example.org', '--json']);
    assert.equal(JSON.parse(passed).explanation, null);
    const { stdout } = await check([...refused, '--json', '--explain']);
    assert.equal(stdout.trimEnd().split('\n').length, 1);
    const { trace } = JSON.parse(stdout);
    assert.equal(trace.terms[0].nested.domain, '_spf.example.net');
    assert.deepEqual(trace.terms[1].lookups[0].records, ['192.0.2.1']);
    assert.deepEqual([trace.problem, trace.terms[1].nested, trace.terms[1].note], [null, null, null]);
  });

  it('is whole also when it is long and its reader slow', async () => {
    const long = zoneFile({ 'long.example': { TXT: [[`v=spf1 ${'ip4:1.2.3.4 '.repeat(1360)}-all`]] } });
    const words = ['check', '--zone', long.path, '--ip=192.0.2.9', '--from=user@long.example', '--json', '--explain'];
    const child = startSpf(words);
    const chunks: Buffer[] = [];
    for await (const chunk of child.stdout) {
      chunks.push(chunk as Buffer);
      await setTimeout(200); // no matter how long: the command has more to say, or has ended
    }
    long.remove();
    const said = Buffer.concat(chunks).toString();
    assert.ok(said.length > 65_536, 'more than a pipe holds');
    assert.equal(JSON.parse(said).trace.terms.length, 1361);
  });
});

describe('--header', () => {
  it('is the field Received-SPF, as it would be written into the mail', async () => {
    const { code, stdout } = await check([...refused, '--header', '--receiver=mx.example.com']);
    assert.match(stdout, /^Received-SPF: fail \(mx\.example\.com: [^]*\n\t[^]*\n$/);
    const read = readReceivedSpf(stdout.slice('Received-SPF:'.length));
    assert.equal(code, 0);
    assert.deepEqual(
      ['client-ip', 'envelope-from', 'helo', 'receiver', 'identity', 'mechanism'].map((key) => read?.values.get(key)),
      ['192.0.2.9', 'user@example.org', 'h.example', 'mx.example.com', 'mailfrom', '-all'],
    );
  });

  it('is followed by X-SPF-TRACE where --explain asks for it', async () => {
    const { stdout } = await check([...refused, '--header', '--explain']);
    assert.match(stdout, /\nX-SPF-TRACE: example\.org {2}v=spf1 [^]*\n\t`- exp=why\.example\.org/);
    assert.match(stdout, /receiver=unknown;/);
    assert.doesNotMatch(stdout, /\r/);
  });
});

describe('--exit-code', () => {
  const codes: readonly [result: string, from: string, ip: string, code: number][] = [
    ['pass', 'u@example.org', '192.0.2.1', 0],
    ['fail', 'u@example.org', '192.0.2.9', 1],
    ['softfail', 'u@soft.example', '192.0.2.9', 2],
    ['neutral', 'u@open.example', '192.0.2.9', 3],
    ['permerror', 'u@two.example', '192.0.2.9', 4],
    ['temperror', 'u@slow.example', '192.0.2.9', 5],
    ['none', 'u@none.example', '192.0.2.9', 6],
  ];
  for (const [result, from, ip, expected] of codes)
    it(`${result}: ${expected}, as of spfquery`, async () => {
      const { code, stdout, stderr } = await check([`--ip=${ip}`, `--from=${from}`, '--exit-code']);
      assert.ok(stdout.startsWith(`${result} `), stdout);
      assert.deepEqual([code, stderr], [expected, '']);
    });
});

describe('octets of others', () => {
  const mails: readonly [what: string, words: readonly string[]][] = [
    ['a record that would set the title of the window', ['--from=u@evil.example']],
    ['a sender that would move the cursor', ['--from=\x1b[2J\u202E\x9b31m@colour.example']],
    ['a HELO name with line feeds', ['--helo=a\r\nb\x07.example', '--from=']],
    ['a domain of another script', ['--from=u@\u202Egro.elpmaxe']],
  ];
  for (const [what, words] of mails) {
    it(`${what} reach no terminal`, async () => {
      for (const more of [['--explain'], ['--explain', '--json'], ['--explain', '--header']]) {
        const { code, stdout, stderr } = await check(['--ip=192.0.2.9', ...words, ...more]);
        assert.equal(code, 0, stderr);
        // Lines of a field that go on begin with a tab.
        assert.ok(isSafe(stdout.replaceAll('\n\t', '\n')) && stdout !== '' && stderr === '', JSON.stringify(stdout));
      }
    });
  }

  it('are in the JSON unchanged', async () => {
    const { stdout } = await check(['--ip=192.0.2.9', '--from=\u202E\x9b@colour.example', '--json']);
    assert.equal(JSON.parse(stdout).sender, '\u202E\x9b@colour.example');
  });
});

describe('nonsense', () => {
  const table: readonly [what: string, words: readonly string[], code: number, expected: RegExp][] = [
    ['nothing', [], 64, /say what to do: check, lint, flatten, suggest; see postern spf --help/],
    ['a mistyped word', ['chekc'], 64, /no "spf chekc"; did you mean check\?/],
    ['another word', ['publish'], 64, /no "spf publish"; there are check, lint, flatten, suggest; see/],
    ['no address', ['check', '--from=u@example.org'], 64, /--ip is missing/],
    ['no sender', ['check', '--ip=192.0.2.1'], 64, /give --from, --helo or both/],
    ['null reverse-path alone', ['check', '--ip=192.0.2.1', '--from=<>'], 64, /null reverse-path.*give --helo/],
    ['not an address', ['check', '--ip=192.0.2.256', '--helo=a.example'], 64, /--ip must be an IPv4 or IPv6 address/],
    ['a mistyped option', ['check', '--explian'], 64, /no option --explian; did you mean --explain\?/],
    ['one dash', ['check', '-ip', '192.0.2.1'], 64, /no option -ip; did you mean --ip\?/],
    ['an option of no object', ['check', '--__proto__=1', '--toString'], 64, /no option --__proto__/],
    ['no value', ['check', '--ip'], 64, /--ip needs a value, such as --ip=192\.0\.2\.1/],
    ['an option in place of a value', ['check', '--ip', '--from=u@example.org'], 64, /--ip needs a value/],
    ['a value for a flag', ['check', '--json=yes'], 64, /--json takes no value/],
    ['an option twice', ['check', '--ip=192.0.2.1', '--ip=192.0.2.2'], 64, /--ip is given twice/],
    ['a stray word', ['check', '192.0.2.1'], 64, /"192\.0\.2\.1" belongs to no option/],
    ['not a server', ['check', ...refused, '--server=ns.example.org'], 64, /--server must be ip, ip:port/],
    ['a server and a zone', ['check', ...refused, '--server=192.0.2.1', '--zone=x'], 64, /not both/],
    ['not a duration', ['check', ...refused, '--timeout=soon'], 64, /--timeout must be a duration/],
    ['one mail and a batch', ['check', '--batch', '--ip=192.0.2.1'], 64, /leave out --ip/],
    ['a code of many mails', ['check', '--batch', '--exit-code'], 64, /--exit-code is for one mail, not for --batch/],
    ['a field and an object', ['check', ...refused, '--header', '--json'], 64, /give one of them/],
    ['no zone file', ['check', ...refused, '--zone=/nonexistent/zone'], 66, /cannot be read \(ENOENT\)/],
    ['a folder as zone file', ['check', ...refused, '--zone=/'], 66, /cannot be read \(EISDIR\)/],
    ['control characters', ['check', '--ip=\x1b[31m\n\u202E', '--helo=x'], 64, /--ip must be/],
  ];
  for (const [what, words, code, expected] of table) {
    it(`${what}: one line that says what to do`, async () => {
      const ran = await spf(words);
      assert.match(ran.stderr, expected);
      assert.deepEqual([ran.code, ran.stdout], [code, '']);
      assert.match(ran.stderr, /^postern: [^\n]+\n$/);
      assert.ok(isSafe(ran.stderr));
    });
  }

  for (const text of ['{"a.example": ', '[]', '{"a.example": {"A": ["192.0.2.300"]}}', '\xff\xfe\0']) {
    it(`a zone file of ${JSON.stringify(text)}: one line, exit code 65`, async () => {
      const bad = zoneFile(text);
      const { code, stdout, stderr } = await spf(['check', ...refused, '--zone', bad.path]);
      bad.remove();
      assert.deepEqual([code, stdout], [65, '']);
      assert.match(stderr, /^postern: spf check: --zone: [^\n]+\n$/);
    });
  }

  it('--help explains, wherever it stands', async () => {
    for (const [words, says] of [
      [['--help'], /^usage: postern spf check .*--explain[^]* postern spf lint .*--record/],
      [['help'], /^usage: postern spf check/],
      [['check', '--help'], /^usage: postern spf check[^]*--explain +show/],
      [['lint', '-h', '--foo'], /^usage: postern spf lint[^]*--record=TXT +this text/],
    ] as const) {
      const { code, stdout } = await spf(words);
      assert.equal(code, 0);
      assert.match(stdout, says);
    }
  });
});

describe('a name server', () => {
  let server: FakeServer;
  before(async () => {
    server = await fakeServer((asked) =>
      asked.name !== 'mail.test'
        ? behaveByName(asked)
        : [
            reply(asked, {
              answers: [asked.type === T.TXT ? txt('v=spf1 exists:%{l}._spf.%{d} a -all') : a(192, 0, 2, 7)],
            }),
          ],
    );
  });
  after(() => server.close());

  const ask = (from: string, ...words: readonly string[]) =>
    spf(['check', '--ip=192.0.2.7', `--from=${from}`, `--server=${server.address}`, ...words]);

  it('is asked in place of the system’s, for any octets', async () => {
    const { stdout } = await ask('a "b\\x@mail.test', '--explain');
    assert.match(stdout, /^pass /);
    assert.ok(server.asked.some(({ name }) => name.startsWith('a "b\\x._spf.mail.test')));
  });

  const hostile: readonly [domain: string, expected: RegExp][] = [
    ['servfail.test', /^temperror /],
    ['cnameloop.test', /^temperror .*CNAME/],
    ['garbage.test', /^temperror /],
    ['binary.test', /^permerror .*0x00/],
    ['silent.test', /^temperror .*(?:timed out|no result|no answer)/],
    ['nxdomain.test', /^none /],
  ];
  for (const [domain, expected] of hostile) {
    it(`${domain}: a defined result, within --timeout`, async () => {
      const { code, stdout, stderr } = await ask(`u@${domain}`, '--timeout=1s', '--explain');
      assert.match(stdout, expected);
      assert.deepEqual([code, stderr], [0, '']);
      assert.ok(isSafe(stdout));
    });
  }
});
