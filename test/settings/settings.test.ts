import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  type LoadedSettings,
  type ReadSettings,
  loadSettings,
  type Settings,
  type SettingsInput,
} from '../../src/settings/settings.js';
import { withoutPasswords } from '../../src/mail/secret.js';
import { readFlags } from '../../src/settings/places.js';
import { printConfig } from '../../src/settings/describe.js';
import { entries, schema, type SettingName } from '../../src/settings/schema.js';

type Files = Readonly<Record<string, string>>;

/** It stands for a folder among the files. */
const folder = '/';

function load(input: Partial<Omit<SettingsInput, 'readFile'>> & { readonly files?: Files }): LoadedSettings {
  const { files = {}, ...rest } = input;
  const readFile = (path: string): string => {
    const text = Object.hasOwn(files, path) ? files[path] : undefined;
    if (text === folder) throw Object.assign(new Error('it is a folder'), { code: 'EISDIR' });
    if (text === undefined) throw Object.assign(new Error('no such file'), { code: 'ENOENT' });
    return text;
  };
  return loadSettings({ argv: [], env: {}, hostname: 'mx.example.org', ...rest, readFile });
}

const conf = (text: string): Files => ({ '/etc/postern.conf': text });

function good(loaded: LoadedSettings): ReadSettings {
  if (!loaded.ok) assert.fail(loaded.problem.join('\n'));
  return loaded.value;
}

const problems = (loaded: LoadedSettings): readonly string[] => (loaded.ok ? [] : loaded.problem);

describe('a value is read as what it is', () => {
  const minute = 60_000;
  const table: readonly [name: SettingName, text: string, expected: unknown][] = [
    ['listen', '*:25', [{ kind: 'any', port: 25 }]],
    ['listen', ':2525', [{ kind: 'any', port: 2525 }]],
    ['listen', '127.0.0.1:0', [{ kind: 'tcp', host: '127.0.0.1', port: 0 }]],
    ['listen', '[2001:DB8::0]:25', [{ kind: 'tcp', host: '2001:db8::', port: 25 }]],
    [
      'listen',
      'fd:3, MX.example.org:587',
      [
        { kind: 'fd', fd: 3 },
        { kind: 'tcp', host: 'mx.example.org', port: 587 },
      ],
    ],
    [
      'relay',
      'unix:/run/mta',
      {
        ranks: [[{ protocol: 'smtp', at: { kind: 'unix', path: '/run/mta' }, tls: 'no', text: 'unix:/run/mta' }]],
        text: 'unix:/run/mta',
      },
    ],
    ['max_size', '1048576', 1048576],
    ['max_size', '64k', 65536],
    ['max_size', '25M', 25 * 1024 ** 2],
    ['max_size', '1g', 1024 ** 3],
    ['dns_timeout', '250ms', 250],
    ['dns_timeout', '5', 5000],
    ['dns_timeout', '30s', 30_000],
    ['data_timeout', '10m', 10 * minute],
    ['session_timeout', '2h', 120 * minute],
    ['expire', '30d', 30 * 24 * 60 * minute],
    ['expire', '0', 0],
    ['plugin_dirs', '/a, /b  /c', ['/a', '/b', '/c']],
    ['spf_voids', '4', 4],
    ['spf_forwarders', '*.Example.org mx.example.net', ['*.example.org', 'mx.example.net']],
    [
      'dns_servers',
      '192.0.2.53, 127.0.0.1:5353, ::1, [::1]:5353',
      ['192.0.2.53', '127.0.0.1:5353', '::1', '[::1]:5353'],
    ],
    ['syslog_prefix', 'yes', true],
    ['recipient_delimiter', '+', '+'],
    ['hostname', 'MX.Example.NET', 'mx.example.net'],
    ['user', 'postern', 'postern'],
    ['bare_newline', 'reject', 'reject'],
    ['strict_envelope', 'yes', true],
    ['workers', '4', 4],
    ['workers', 'auto', 'auto'],
  ];
  for (const [name, text, expected] of table) {
    test(`${name} = ${text}`, () => {
      const { settings, sources } = good(load({ files: conf(`${name} = ${text}`) }));
      assert.deepEqual(settings[name], expected);
      assert.equal(sources[name], '/etc/postern.conf:1');
    });
  }

  test('networks, and the word loopback for both families', () => {
    const { settings } = good(load({ argv: ['--relay_networks=loopback 192.0.2.0/24'] }));
    const texts = settings.relay_networks.map(({ base, prefix }) => `${base.text}/${prefix}`);
    assert.deepEqual(texts, ['127.0.0.0/8', '::1/128', '192.0.2.0/24']);
  });

  test('postmaster is an address, or nothing', () => {
    assert.equal(good(load({})).settings.postmaster, undefined);
    assert.equal(good(load({ argv: ['--postmaster=Ops@Example.org'] })).settings.postmaster?.text, 'Ops@example.org');
  });
});

const pem = {
  '/folder': folder,
  '/cert': '-----BEGIN CERTIFICATE-----',
  '/key': '-----BEGIN PRIVATE KEY-----',
  '/x': 'x',
};

describe('a bad value of any setting is named with its place, the value, and what would be right', () => {
  const table: Readonly<Record<SettingName, readonly [text: string, right: RegExp][]>> = {
    listen: [
      ['25', /host:port/],
      ['::1:25', /\[v6\]:port/],
      ['[192.0.2.1]:25', /\[v6\]:port/],
      ['*:65536', /host:port/],
      ['fd:2', /fd:3/],
      [',', /host:port/],
    ],
    srv: [['/a\u001bb', /control/]],
    spam: [['/a #b', /comment/]],
    state: [['/a\u202eb', /invisible/]],
    relay: [
      ['*:25', /host:port/],
      ['127.0.0.1:0', /host:port/],
      ['unix:run', /unix:\/path/],
      ['fd:3', /host:port/],
      ['10025', /host:port/],
      ['a.example b.example', /"b\.example" must be tls=no, tls=may or tls=must; a comma/],
      ['a.example; a.example:25', /each destination once/],
      ['unix:/run/a tls=must', /without TLS/],
    ],
    relay_ca: [
      ['/absent', /can be read \(ENOENT\)/],
      ['/x', /certificates in PEM form/],
    ],
    relay_connections: [['0', /whole number from 1/]],
    relay_mails_per_connection: [['0', /whole number from 1/]],
    relay_timeout: [['0', /from 1ms to 1d/]],
    plugins: [['/absent', /can be read \(ENOENT\)/]],
    plugin_dirs: [['#', /comment/]],
    hostname: [
      ['mx_1..example', /host name/],
      ['192.0.2.1', /host name/],
    ],
    authserv_id: [['a b', /host name/]],
    srv_from: [['a b', /host name/]],
    dns_servers: [
      ['resolver.example', /an address/],
      ['192.0.2.53:0', /an address/],
      ['[::1]', /an address/],
    ],
    dns_zone: [['/absent', /can be read/]],
    dns_timeout: [
      ['5x', /such as 30s/],
      ['2d', /to 1d/],
    ],
    max_size: [
      ['25q', /with k, m or g, such as 25m/],
      ['-1', /octets/],
      ['99999999999g', /octets/],
      ['1023', /1k or more/],
    ],
    memory_limit: [['256kb', /octets/]],
    memory_total: [['16mb', /octets/]],
    max_header_size: [['1.5m', /octets/]],
    max_connections: [['many', /whole number/]],
    max_connections_per_ip: [['0x10', /whole number/]],
    max_recipients: [['1e3', /whole number/]],
    max_errors: [['-1', /whole number/]],
    command_timeout: [['1 m', /duration/]],
    data_timeout: [['forever', /duration/]],
    session_timeout: [['25h', /duration/]],
    plugin_timeout: [['0s', /duration/]],
    stop_timeout: [['30sec', /duration/]],
    bare_newline: [['allow', /normalize or reject/]],
    strict_envelope: [['true', /yes or no/]],
    tls_cert: [['/cert', /needs tls_key/]],
    tls_key: [['/key', /needs tls_cert/]],
    workers: [
      ['257', /auto, or a whole number from 1 to 256/],
      ['Auto', /auto, or/],
    ],
    watchdog: [['2s', /from 3s to 1d/]],
    metrics: [
      ['9817', /host:port/],
      ['fd:3', /host:port/],
    ],
    web: [
      ['*:8025', /host:port/],
      ['8025', /host:port/],
    ],
    web_hosts: [['-', /a host name/]],
    web_tokens: [['x\u0007', /control/]],
    digest_url: [
      ['mail.example.com', /https:\/\//],
      ['https://mail.example.com/page', /without a path/],
      ['https://anna@mail.example.com', /https:\/\//],
      ['javascript://mail.example.com', /https:\/\//],
    ],
    web_proxies: [['192.0.2.0/33', /network/]],
    relay_networks: [
      ['300.0.0.0/8', /network/],
      ['192.0.2.0/33', /network/],
      ['constructor', /network/],
      ['0.0.0.0/0', /open relay/],
    ],
    proxy_networks: [['10.0.0.0/8,proxy', /"proxy" must be an address or network/]],
    xclient_networks: [['loopback0', /loopback/]],
    postmaster: [['root', /postmaster@example.org/]],
    recipient_delimiter: [
      ['++', /one of \+/],
      ['%', /one of \+/],
    ],
    blacklist_dir: [['/a\u0007', /control/]],
    spf_voids: [['two', /number/]],
    spf_forwarders: [['*', /\*\.example.org/]],
    expire: [['1y', /duration/]],
    expire_size: [['10t', /octets/]],
    catalog: [
      ['mysql://db/postern', /postgresql:\/\//],
      ['postgresql://db', /HOST/],
      ['postgresql://db/postern?sslmode=prefer', /verify-full nor disable/],
      ['postgresql://anna:***@db/postern', /postgresql:\/\//],
    ],
    bodies: [
      ['s3://mails', /BUCKET/],
      ['s3://mails?endpoint=http://s3.example&key_file=/k', /https:/],
      ['s3://mails?endpoint=https://s3.example', /key_file/],
    ],
    catalog_read: [['mysql://db/postern', /postgresql:\/\//]],
    ship_keep: [['2w', /duration/]],
    journal: [
      ['2w', /duration/],
      ['14', /with its unit/],
    ],
    journal_to: [['database', /catalog or files/]],
    journal_subject: [['maybe', /yes or no/]],
    journal_mask: [['-1', /duration/]],
    index_link: [
      ['../index', /file name/],
      ['new', /file name/],
      ['.hidden', /file name/],
    ],
    store: [
      ['redis:192.0.2.7', /redis:\/\//],
      ['http://192.0.2.7', /redis:\/\//],
      ['redis://192.0.2.7/a', /redis:\/\//],
      ['redis://192.0.2.7?x', /redis:\/\/.*this may have sentinel_password_file=/],
      ['redis+sentinel://a,b', /this has no name of a master behind the sentinels/],
    ],
    store_down: [['reject', /pass or defer/]],
    user: [['a b', /name of the system/]],
    group: [['-1', /name of the system/]],
    log_level: [['verbose', /trace or debug or info/]],
    log_file: [['a\u0000b', /control|path/]],
    log_format: [['text', /auto or json or pretty/]],
    syslog_prefix: [
      ['true', /yes or no/],
      ['constructor', /yes or no/],
    ],
  };
  for (const [name, rows] of Object.entries(table)) {
    for (const [text, right] of rows) {
      test(`${name} = ${JSON.stringify(text)}`, () => {
        const [problem = '', ...more] = problems(
          load({ env: { [`POSTERN_${name.toUpperCase()}`]: text }, files: pem }),
        );
        assert.deepEqual(more, []);
        const seen = schema[name as SettingName].kind.shown?.(text) ?? withoutPasswords(text);
        assert.ok(
          problem.startsWith(`POSTERN_${name.toUpperCase()}: ${name} = ${seen.replace(/[\p{Cc}\p{Cf}]/gu, '?')}: `),
          problem,
        );
        assert.match(problem, right);
      });
    }
  }
});

describe('settings against each other', () => {
  const table: readonly [what: string, argv: readonly string[], expected: readonly string[]][] = [
    ['certificate and key', ['--tls_cert=/cert', '--tls_key=/key'], []],
    [
      'a key that is none',
      ['--tls_cert=/cert', '--tls_key=/x'],
      ['--tls_key: tls_key = /x: must be a private key in PEM form'],
    ],
    [
      'they are swapped',
      ['--tls_cert=/key', '--tls_key=/cert'],
      [
        '--tls_cert: tls_cert = /key: must be a certificate in PEM form',
        '--tls_key: tls_key = /cert: must be a private key in PEM form',
      ],
    ],
    [
      'a key that is absent',
      ['--tls_cert=/cert', '--tls_key=/n'],
      ['--tls_key: tls_key = /n: must be a file that can be read (ENOENT)'],
    ],
    ['a folder of certificates', ['--tls_cert=/folder'], []],
    [
      'a folder of certificates and a key',
      ['--tls_cert=/folder', '--tls_key=/key'],
      ['--tls_key: tls_key = /key: must be empty, for tls_cert is a folder: each key is there beside its certificate'],
    ],
    ['mail kept on disk only', ['--memory_limit=0'], []],
    ['more memory than mail', ['--memory_limit=1g', '--max_size=1m'], []],
    ['the relay is another port', ['--listen=127.0.0.1:2525', '--relay=127.0.0.1:2526'], []],
    ['the relay is another host', ['--relay=192.0.2.1:25'], []],
    [
      'the relay is ourselves',
      ['--relay=localhost:25'],
      ['--relay: relay = localhost:25: must not be where postern itself listens: mail would go round for ever'],
    ],
    [
      'one of several is ourselves',
      ['--relay=192.0.2.7, 127.0.0.9; a.example'],
      [
        '--relay: relay = 192.0.2.7, 127.0.0.9; a.example: must not be where postern itself listens, as 127.0.0.9:25 is: mail would go round for ever',
      ],
    ],
    [
      'the relay is this machine, by an address that is none',
      ['--listen=127.0.0.1:26', '--relay=0.0.0.0:26'],
      ['--relay: relay = 0.0.0.0:26: must not be where postern itself listens: mail would go round for ever'],
    ],
    [
      'the relay is one of our sockets',
      ['--listen=fd:3 [::1]:26', '--relay=[::1]:26'],
      ['--relay: relay = [::1]:26: must not be where postern itself listens: mail would go round for ever'],
    ],
  ];
  for (const [what, argv, expected] of table) {
    test(what, () => assert.deepEqual(problems(load({ argv, files: pem })), expected));
  }
});

describe('all problems at once, whatever the place', () => {
  test('file, environment, flags and what they are to each other', () => {
    const loaded = load({
      files: conf('max_size = 25q\n\nlisen = *:25\nworkers\n = 3\nweb=:80\nsrv = /a\nsrv = /b\n'),
      env: { POSTERN_MAXSIZE: '1m', POSTERN_workers: '2', OTHER: 'x' },
      argv: ['--max-size', '0', '--log_levle=info', '--spam', '--tls_cert=/c', '--spam=/a', '--spam=/b'],
    });
    assert.deepEqual(
      [...problems(loaded)].sort(),
      [
        'there is no option --log_levle; did you mean --log_level?',
        '--max_size: max_size = 0: must be a size of 1k or more in octets, or with k, m or g, such as 25m',
        '--spam needs a value, such as --spam=PATH',
        '--spam: spam is given twice, first at --spam; keep one',
        '--tls_cert: tls_cert = /c: must be a file that can be read (ENOENT)',
        '--tls_cert: tls_cert = /c: needs tls_key beside it; give both or none',
        '/etc/postern.conf:1: max_size = 25q: must be a size of 1k or more in octets, or with k, m or g, such as 25m',
        '/etc/postern.conf:3: lisen is no setting; did you mean listen?',
        '/etc/postern.conf:4: workers: must be KEY = VALUE, or begin with #',
        '/etc/postern.conf:5: = 3: must be KEY = VALUE, or begin with #',
        '/etc/postern.conf:6: web = :80: must be host:port or [v6]:port, such as 127.0.0.1:8025',
        '/etc/postern.conf:8: srv is given twice, first at /etc/postern.conf:7; keep one',
        'POSTERN_MAXSIZE: maxsize is no setting; did you mean POSTERN_MAX_SIZE?',
        'POSTERN_workers: workers is no setting; did you mean POSTERN_WORKERS?',
      ].sort(),
    );
  });

  const hostile = '\u001b[2J\r\u009b1A\u202e__proto__';
  test('a problem is one printable line, whatever was given', () => {
    for (const line of problems(
      load({
        files: conf(`${hostile} = ${hostile}\n${hostile}`),
        env: { [`POSTERN_${hostile}`]: '' },
        argv: [`--${hostile}`],
      }),
    ))
      assert.doesNotMatch(line, /[\p{Cc}\p{Cf}]/u);
  });

  test('names every object has are no settings', () => {
    for (const name of ['__proto__', 'constructor', 'toString']) {
      assert.equal(problems(load({ files: conf(`${name} = x`) })).length, 1);
      assert.equal(problems(load({ argv: [`--${name}=x`] })).length, 1);
    }
  });

  test('what Kubernetes puts beside a service named postern is not taken for settings', () => {
    good(
      load({
        env: {
          POSTERN_SERVICE_HOST: '10.0.0.1',
          POSTERN_PORT: 'tcp://10.0.0.1:25',
          POSTERN_PORT_25_TCP_ADDR: '10.0.0.1',
        },
      }),
    );
  });

  test('a machine without a proper name is told so, unless a name is set', () => {
    assert.deepEqual(problems(load({ hostname: 'my host' })), [
      'default: hostname = my host: must be a host name, such as mx.example.org',
    ]);
    assert.equal(good(load({ hostname: 'my host', argv: ['--hostname=mx.example'] })).settings.hostname, 'mx.example');
  });
});

describe('places', () => {
  const level = (input: Parameters<typeof load>[0]): readonly [string, string] => {
    const { settings, sources } = good(load(input));
    return [settings.log_level, sources.log_level];
  };
  const files = { ...conf('log_level = warn'), '/my.conf': '# mine\r\n\r\nlog_level=error # loud\r\n' };
  const env = { POSTERN_LOG_LEVEL: 'fatal' };
  const table: readonly [what: string, input: Parameters<typeof load>[0], expected: readonly [string, string]][] = [
    ['nothing given', {}, ['info', 'default']],
    ['the default file', { files }, ['warn', '/etc/postern.conf:1']],
    ['a file of one’s own', { files, argv: ['--config', '/my.conf'] }, ['error', '/my.conf:3']],
    ['named by the environment', { files, env: { POSTERN_CONFIG: '/my.conf' } }, ['error', '/my.conf:3']],
    [
      'the flag names another',
      { files, env: { POSTERN_CONFIG: '/n' }, argv: ['--config=/my.conf'] },
      ['error', '/my.conf:3'],
    ],
    ['the environment beats the file', { files, env }, ['fatal', 'POSTERN_LOG_LEVEL']],
    ['a flag beats both', { files, env, argv: ['--log_level=debug'] }, ['debug', '--log_level']],
    ['a flag with a hyphen and a space', { argv: ['--log-level', 'debug'] }, ['debug', '--log_level']],
    ['an empty value is the default', { files, env: { POSTERN_LOG_LEVEL: '' } }, ['info', 'POSTERN_LOG_LEVEL']],
    ['a trial has defaults of its own', { trial: { log_level: 'debug' } }, ['debug', 'trial']],
    ['a trial does not read the system’s file', { files, trial: {} }, ['info', 'default']],
    ['a trial reads a file it is told', { files, trial: {}, argv: ['--config=/my.conf'] }, ['error', '/my.conf:3']],
  ];
  for (const [what, input, expected] of table) test(what, () => assert.deepEqual(level(input), expected));

  test('a file that is named must be there', () => {
    assert.deepEqual(problems(load({ argv: ['--config=/n'] })), [
      '--config: /n: must be a file that can be read (ENOENT)',
    ]);
    assert.deepEqual(problems(load({ env: { POSTERN_CONFIG: '/n' } })), [
      'POSTERN_CONFIG: /n: must be a file that can be read (ENOENT)',
    ]);
  });

  test('a file that is there must be readable, the default one too', () => {
    const readFile = (): string => {
      throw Object.assign(new Error(), { code: 'EACCES' });
    };
    const loaded = loadSettings({ argv: [], env: {}, readFile });
    assert.deepEqual(problems(loaded), ['settings: /etc/postern.conf: must be a file that can be read (EACCES)']);
  });

  const flags: readonly [what: string, argv: readonly string[], rest: readonly string[]][] = [
    ['words are left over', ['list', '--srv', '/s', 'today'], ['list', 'today']],
    ['so are the command’s own flags', ['--trial', '--since=2d', '--srv=/s'], ['--trial', '--since=2d']],
    ['a yes/no flag needs no value', ['--syslog_prefix', 'x'], ['x']],
    ['but may have one', ['--syslog_prefix', 'no', 'x'], ['x']],
    ['nothing behind -- is a setting', ['a', '--', '--srv=/x', '--'], ['a', '--', '--srv=/x', '--']],
    ['-c names the file', ['a', '-c', '/f', 'b'], ['a', 'b']],
  ];
  for (const [what, argv, rest] of flags) {
    test(what, () => assert.deepEqual(readFlags(argv, ['trial', 'since']).rest, rest));
  }
});

describe('print-config', () => {
  const printed = (settings: ReadSettings): string => printConfig(settings.settings, settings.sources);

  test('says each value and where it came from', () => {
    const text = printed(good(load({ files: conf('\nmax_size = 1048576'), argv: ['--relay_networks=loopback'] })));
    assert.match(text, /^max_size = 1m {2}# \/etc\/postern.conf:2$/m);
    assert.match(text, /^relay_networks = 127.0.0.0\/8, ::1\/128 {2}# --relay_networks$/m);
    assert.match(text, /^plugins = {2}# default$/m);
    assert.equal(text.split('\n').length, entries.size + 1);
  });

  test('a tab in a path stays one', () => {
    const first = good(load({ argv: ['--spam=/a\t¡b'] }));
    assert.deepEqual(good(load({ argv: ['--config=/c'], files: { '/c': printed(first) } })).settings, first.settings);
  });

  const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,8}[a-z0-9]$/);
  const host = fc.oneof(
    fc.tuple(name, name).map((labels) => labels.join('.')),
    fc.ipV4(),
  );
  const endpoint = fc
    .tuple(
      fc.oneof(
        host,
        fc.ipV6().map((ip) => `[${ip}]`),
      ),
      fc.integer({ min: 1, max: 65535 }),
    )
    .map(([h, p]) => `${h}:${p}`);
  const amount = (units: string): fc.Arbitrary<string> =>
    fc
      .tuple(fc.integer({ min: 1, max: 99_999 }), fc.constantFrom(...units.split(',')))
      .map(([n, unit]) => `${n}${unit}`);
  const list = (item: fc.Arbitrary<string>): fc.Arbitrary<string> =>
    fc.array(item, { maxLength: 4 }).map((items) => items.join(' '));
  const texts: Readonly<Partial<Record<SettingName, fc.Arbitrary<string>>>> = {
    listen: list(fc.oneof(endpoint, fc.constantFrom('*:25', ':0', 'fd:3'))),
    relay: fc.oneof(endpoint, fc.constantFrom('unix:/run/a', 'a.example, lmtp:unix:/b; [::1] tls=must')),
    srv: fc.string({ unit: 'grapheme', minLength: 1 }),
    spam: fc.string({ unit: 'binary' }),
    max_size: amount(',k,m,g,K'),
    expire: amount('ms,s,m,h,'),
    dns_servers: list(
      fc.oneof(
        fc.ipV4(),
        fc.ipV6(),
        fc.ipV4().map((ip) => `${ip}:5353`),
      ),
    ),
    xclient_networks: list(
      fc.oneof(
        fc.ipV4(),
        fc.constant('loopback'),
        fc.tuple(fc.ipV6(), fc.nat(128)).map(([ip, n]) => `${ip}/${n}`),
      ),
    ),
    spf_voids: fc.nat(1000).map(String),
    spf_forwarders: list(host),
    postmaster: fc.tuple(fc.string({ minLength: 1 }), host).map(([l, h]) => `"${l}"@${h}`),
    workers: fc.nat(300).map(String),
    syslog_prefix: fc.constantFrom('yes', 'no'),
    recipient_delimiter: fc.string({ maxLength: 1 }),
    hostname: host,
  };

  test('reads back as a file to the same settings, whatever they are', () => {
    const given = fc.record(texts as Record<SettingName, fc.Arbitrary<string>>, { requiredKeys: [] });
    let met = 0;
    fc.assert(
      fc.property(given, (record) => {
        for (const [key, text] of Object.entries(record)) {
          const first = load({ argv: [`--${key}=${text}`] });
          if (!first.ok) continue;
          met++;
          const again = good(load({ argv: ['--config=/c'], files: { '/c': printed(first.value) } }));
          assert.deepEqual(again.settings, first.value.settings);
        }
      }),
      { numRuns: 300 },
    );
    assert.ok(met > 500, `only ${met} settings were right`);
  });

  test('never throws, whatever is given', () => {
    const word = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom('=', '#', '--', '--config', '--srv', 'listen', 'toString', '\n'),
    );
    fc.assert(
      fc.property(
        fc.array(word),
        fc.string({ unit: 'binary' }),
        fc.constantFrom(...entries.keys()),
        (argv, text, key) => {
          load({ argv, files: conf(text) });
          load({ files: conf(`${key} = ${text}`), env: { [`POSTERN_${key.toUpperCase()}`]: text } });
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe('the settings', () => {
  const frozen = (value: unknown): boolean =>
    typeof value !== 'object' || value === null || (Object.isFrozen(value) && Object.values(value).every(frozen));

  test('are frozen through and through', () => {
    assert.ok(frozen(good(load({ argv: ['--relay_networks=loopback', '--postmaster=a@b.example'] })).settings));
  });

  test('have a default each that is right, but for names left to derive', () => {
    const { settings, sources } = good(load({}));
    assert.deepEqual([settings.hostname, settings.authserv_id], ['mx.example.org', 'mx.example.org']);
    assert.ok(Object.values(sources).every((source) => source === 'default'));
  });

  test('carry their types', () => {
    const { settings }: { settings: Settings } = good(load({}));
    const octets: number = settings.max_size;
    const level: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent' = settings.log_level;
    assert.deepEqual([octets, level], [26214400, 'info']);
    assert.equal(schema.max_size.default, '25m');
  });
});
