import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { until } from './support/until.js';
import { createLogger, type Logger, type LogSettings, safeJson } from '../src/log.js';

const plain: LogSettings = { log_level: 'trace', log_format: 'auto', syslog_prefix: false, log_file: '' };

/** What is written when `log` is used, as one text. */
function written(use: (log: Logger) => void, settings: Partial<LogSettings> = {}, isTerminal = false): string {
  let text = '';
  const write = (line: string): void => {
    text += line;
  };
  use(createLogger({ ...plain, ...settings }, { stream: { write }, isTerminal }));
  return text;
}

const hostile: readonly [what: string, bytes: string][] = [
  ['a line end', 'x\r\n{"level":60,"msg":"forged"}'],
  ['a lone CR', 'x\rforged'],
  ['ESC sequences', '\u001b[2J\u001b]0;title\u0007'],
  ['a C1 sequence', '\u009b2J\u0090q\u0085forged'],
  ['DEL and BEL', '\u007f\u0007\b'],
  ['reversed text', '\u202eexe.gpj\u2066\u200f'],
  ['line and paragraph separators', 'a\u2028b\u2029c'],
  ['invisible characters', '\u200b\ufeff\u00ad\u{e0041}'],
  ['half a surrogate pair', 'a\ud800b\udc00'],
  ['quotes and backslashes', '","level":60,"x":"\\'],
];

const places: readonly [where: string, use: (log: Logger, bytes: string) => void][] = [
  ['the message', (log, bytes) => log.info(bytes)],
  ['an argument of the message', (log, bytes) => log.info('got %s and %j', bytes, { bytes })],
  ['a value', (log, bytes) => log.info({ helo: bytes }, 'message')],
  ['a nested value', (log, bytes) => log.info({ a: { b: [bytes, { c: bytes }] } }, 'message')],
  ['a key', (log, bytes) => log.info({ [bytes]: 1, a: { [bytes]: 2 } }, 'message')],
  ['an error', (log, bytes) => log.error({ err: new Error(bytes, { cause: new Error(bytes) }) }, 'failed')],
  ['an error alone', (log, bytes) => log.error(new TypeError(`${bytes}\n    at forged`))],
  ['a child', (log, bytes) => log.child({ client: bytes, [bytes]: 1 }).info('message')],
  ['a stack that is none', (log, bytes) => log.info({ type: 'Error', stack: `${bytes}\nforged` }, 'message')],
];

for (const [what, bytes] of hostile) {
  describe(`${what} from a client`, () => {
    for (const [where, use] of places) {
      test(`in ${where}: one line of JSON, the value unchanged`, () => {
        const text = written((log) => use(log, bytes));
        assert.equal(text.indexOf('\n'), text.length - 1);
        assert.doesNotMatch(text.slice(0, -1), /[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/u);
        const value = JSON.parse(text) as { level: number };
        assert.ok([30, 50].includes(value.level));
        assert.ok(contains(value, bytes), `${bytes} is not in ${text}`);
      });

      test(`in ${where}: nothing acts on a terminal, no line is forged`, () => {
        for (const line of written((log) => use(log, bytes), { log_format: 'pretty' })
          .trimEnd()
          .split('\n')) {
          assert.doesNotMatch(line, /[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/u);
          assert.match(line, /^\[\d\d:\d\d:\d\d\.\d{3}\] (?:INFO|ERROR): | {4}\S| +at \S|^ *[{}]/);
          assert.doesNotMatch(line, /^\s*(?:at )?forged/);
        }
      });
    }
  });
}

/** Is the text part of any string or key within the value? */
function contains(value: unknown, text: string): boolean {
  if (typeof value === 'string') return value.includes(text) || value.includes(JSON.stringify(text).slice(1, -1));
  return (
    typeof value === 'object' &&
    value !== null &&
    Object.entries(value).some((pair) => pair.some((part) => contains(part, text)))
  );
}

test('any string comes out of the JSON as it went in', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (bytes) => {
      const text = written((log) => log.info({ value: bytes, [`k${bytes}`]: [bytes] }, bytes));
      assert.match(text, /^[^\p{Cc}\p{Cf}\p{Cs}]+\n$/u);
      const line = JSON.parse(text) as Record<string, unknown>;
      assert.deepEqual([line['value'], line[`k${bytes}`], line['msg']], [bytes, [bytes], bytes]);
    }),
  );
});

test('readable text stays readable', () => {
  assert.match(
    written((log) => log.info('grüße 你好 👋')),
    /grüße 你好 👋/,
  );
  assert.match(
    written((log) => log.info('grüße 你好 👋'), {}, true),
    /grüße 你好 👋/,
  );
});

test('a line of plain ASCII is not copied', () => {
  const line = '{"level":30,"msg":"x"}\n';
  assert.equal(safeJson(line), line);
});

describe('the form', () => {
  const info = (log: Logger): void => log.info({ ip: '192.0.2.1' }, 'accepted');

  test('is JSON with the time as ISO 8601, the level first', () => {
    const text = written(info);
    assert.match(
      text,
      /^\{"level":30,"time":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z","pid":\d+,"ip":"192\.0\.2\.1","msg":"accepted"\}\n$/,
    );
  });

  const table: readonly [what: string, settings: Partial<LogSettings>, isTerminal: boolean, expected: RegExp][] = [
    ['auto: JSON elsewhere', { log_format: 'auto' }, false, /^\{/],
    ['auto: pretty and coloured on a terminal', { log_format: 'auto' }, true, /\u001b\[32mINFO/],
    ['json: on a terminal too', { log_format: 'json' }, true, /^\{/],
    [
      'pretty: without colours elsewhere',
      { log_format: 'pretty' },
      false,
      /^\[[\d:.]+\] INFO: accepted \{"ip":"192\.0\.2\.1"\}\n$/,
    ],
    ['JSON for the journal', { syslog_prefix: true }, false, /^<6>\{/],
    ['pretty for the journal', { syslog_prefix: true, log_format: 'pretty' }, false, /^<6>\[/],
    ['silent', { log_level: 'silent' }, false, /^$/],
    ['too little to be logged', { log_level: 'warn' }, false, /^$/],
  ];
  for (const [what, settings, isTerminal, expected] of table) {
    test(what, () => assert.match(written(info, settings, isTerminal), expected));
  }

  const ended: readonly [what: string, entry: Record<string, unknown>, word: string, expected: RegExp][] = [
    [
      'a rejected mail',
      { id: '6B2', from: 'anna@sender.example', rcpts: ['alice@example.com'], plugin: 'spf', reason: 'not permitted' },
      'rejected',
      /^\d\d:\d\d:\d\d rejected anna@sender\.example → alice@example\.com {2}spf: not permitted \(6B2\)\n$/,
    ],
    [
      'a bounce to two that was relayed',
      { id: '6B3', from: '', rcpts: ['a@example.com', 'b@example.com'], reply: '250 2.0.0 Ok: queued as 4WxY' },
      'relayed',
      /^[\d:]+ relayed <> → a@example\.com, b@example\.com {2}250 2\.0\.0 Ok: queued as 4WxY \(6B3\)\n$/,
    ],
    [
      'a client that was turned away',
      { ip: '192.0.2.1', session: '6B4', plugin: 'system_load', reason: 'too busy', reply: '421 4.3.2 Too busy' },
      'turned away',
      /^[\d:]+ turned away 192\.0\.2\.1 {2}system_load: too busy \(6B4\)\n$/,
    ],
    [
      'hostile octets',
      { id: '6B5', from: '\u001b[2J\n\u202e', rcpts: ['\u0007\r\n'], reason: '\u009b31m' },
      'deferred',
      /^[\d:]+ deferred [^\p{Cc}\p{Cf}]+ → [^\p{Cc}\p{Cf}]+ \(6B5\)\n$/u,
    ],
  ];
  for (const [what, entry, word, expected] of ended) {
    test(`${what} is one line that a person reads`, () => {
      assert.match(
        written((log) => log.info(entry, word), { log_format: 'pretty' }),
        expected,
      );
      const coloured = written((log) => log.info(entry, word), { log_format: 'pretty' }, true);
      assert.match(coloured, new RegExp(`^[\\d:]+ \\u001b\\[3[1-5]m${word}\\u001b\\[39m `));
    });
  }

  test('what a plugin objects to is told once: by the line of its mail', () => {
    const text = written(
      (log) => {
        log.info({ plugin: 'spf', hook: 'dataPost', why: 'not permitted' }, 'fail');
        log.info({ plugin: 'helo', hook: 'dataPost', why: 'log only, would reject: underscore' }, 'note');
      },
      { log_format: 'pretty' },
    );
    assert.match(text, /^\[[\d:.]+\] INFO: note \{.*underscore.*\}\n$/);
  });

  test('each level has its syslog level', () => {
    const text = written(
      (log) => (['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const).forEach((level) => log[level]('x')),
      { syslog_prefix: true },
    );
    assert.deepEqual(text.match(/^<\d>/gm), ['<7>', '<7>', '<6>', '<4>', '<3>', '<2>']);
  });

  test('every line of a stack has its syslog level, every frame its line', () => {
    const text = written((log) => log.error(new Error('broken')), { syslog_prefix: true, log_format: 'pretty' });
    const lines = text.trimEnd().split('\n');
    assert.ok(lines.filter((line) => /^<3> +at .*log\.test/.test(line)).length > 0, text);
    assert.ok(lines.every((line) => line.startsWith('<3>')));
  });
});

const logUrl = new URL('../src/log.js', import.meta.url).href;

describe('as a process', () => {
  const run = (body: string, stdout: number | 'pipe'): ReturnType<typeof spawnSync> => {
    const settings = JSON.stringify(plain);
    const program = `import { createLogger } from ${JSON.stringify(logUrl)}; const log = createLogger(${settings}); ${body}`;
    const options = {
      stdio: ['ignore', stdout, 'pipe'] as ('ignore' | 'pipe' | number)[],
      maxBuffer: 64 * 1024 * 1024,
    };
    return spawnSync(
      process.execPath,
      [...process.execArgv.filter((word) => !word.startsWith('--test')), '--input-type=module', '-e', program],
      options,
    );
  };

  const ways: readonly [what: string, say: string][] = [
    ['lines', `log.info({ i, text: 'x'.repeat(length) }, 'line')`],
    ['lines that come made', `log.infoMade(',"i":' + i + ',"text":"' + 'x'.repeat(length) + '"', 'line')`],
    [
      'lines of both kinds',
      `i % 3 ? log.infoMade(',"i":' + i + ',"text":"' + 'x'.repeat(length) + '"', '') : log.info({ i }, 'x')`,
    ],
  ];
  const numbersIn = (text: string): readonly (number | undefined)[] =>
    text
      .trimEnd()
      .split('\n')
      .map((line) => (JSON.parse(line) as { i?: number }).i);

  for (const [what, say] of ways)
    test(`${what}: none is lost when it exits at once, up to a megabyte; they stand in order`, () => {
      const body = `const length = 9; for (let i = 0; i < 8000; i++) ${say}; process.exit(0);`;
      const { stdout, stderr } = run(body, 'pipe');
      assert.deepEqual(
        numbersIn(String(stdout)),
        Array.from({ length: 8000 }, (_, i) => i),
        String(stderr),
      );
    });

  test('what comes made is written a moment later, before what is written at once behind it', (t) => {
    const body = `
      import fs from 'node:fs';
      const size = () => fs.fstatSync(1).size;
      const sizes = [size()];
      const say = (line) => { line(); sizes.push(size()); };
      say(() => log.infoMade(',"i":0', ''));
      say(() => log.infoMade(',"i":1,"text":"' + 'ü'.repeat(2040) + '"', ''));
      say(() => log.info({ i: 2 }, ''));
      say(() => log.infoMade(',"i":3', ''));
      await new Promise((resolve) => setTimeout(resolve, 50));
      sizes.push(size());
      process.stderr.write(JSON.stringify(sizes));`;
    const dir = mkdtempSync(join(tmpdir(), 'postern-log-'));
    t.after(() => rmSync(dir, { recursive: true }));
    const file = join(dir, 'log');
    const fd = openSync(file, 'a');
    const { stderr } = run(body, fd);
    const sizes = JSON.parse(String(stderr)) as number[];
    assert.deepEqual(
      sizes.map((size, i) => size > (sizes[i - 1] ?? 0)),
      [false, false, true, true, false, true],
    );
    assert.deepEqual(numbersIn(readFileSync(file, 'utf8')), [0, 1, 2, 3]);
  });

  const all = 'what is beyond a megabyte is dropped, counted, and said';
  for (const [what, say] of ways)
    test(`${what}: a reader who has stopped reading does not stop it: ${all}`, async () => {
      const lines = 5000;
      const child = spawn(process.execPath, [
        '--input-type=module',
        '-e',
        // A child makes what it inherits block again, for all who share it.
        `import { spawnSync } from 'node:child_process';
       import { createLogger } from ${JSON.stringify(logUrl)};
       const log = createLogger(${JSON.stringify(plain)});
       spawnSync(process.execPath, ['-e', ''], { stdio: 'inherit' });
       const length = 1000;
       for (let i = 0; i < ${lines}; i++) ${say};
       process.stderr.write('written');
       setInterval(() => {}, 1000);`,
      ]);
      try {
        await new Promise((resolve) => child.stderr.once('data', resolve));
        let text = '';
        child.stdout.on('data', (octets: Buffer) => (text += octets.toString()));
        await until(() => text.includes('log lines were dropped'));
        const entries = text
          .trimEnd()
          .split('\n')
          .map((line) => JSON.parse(line) as { i?: number; lines?: number });
        const said = entries.at(-1)?.lines ?? 0;
        assert.equal(entries.length - 1 + said, lines);
        assert.ok(said > lines / 2, String(said));
        const numbers = entries.slice(0, -1).map(({ i }) => i ?? NaN);
        assert.deepEqual(
          numbers,
          numbers.toSorted((x, y) => x - y),
        );
      } finally {
        child.kill('SIGKILL');
      }
    });

  test('a full disk does not stop it', () => {
    const { status, stderr } = run(
      `for (let i = 0; i < 100; i++) log.info('x'.repeat(50000)); setTimeout(() => process.exit(7), 50);`,
      openSync('/dev/full', 'w'),
    );
    assert.equal(status, 7, String(stderr));
  });
});
