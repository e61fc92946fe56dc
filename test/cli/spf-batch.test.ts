/** `postern spf check --batch`: a line for a line, in order, whatever the lines are. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { fakeServer, reply } from '../dns/support/fake-server.js';
import { txt } from '../dns/support/wire.js';
import type { Ran } from './support/postern-command.js';
import { isSafe, spf, startSpf, zoneFile } from './support/spf-command.js';

interface Answer {
  readonly result: string | null;
  readonly explanation: string | null;
  readonly mechanism: string | null;
  readonly problem: string | null;
  readonly lookups: number | null;
  readonly voids: number | null;
}

const zone = zoneFile({ 'a.example': { TXT: [['v=spf1 ip4:192.0.2.1 -all']] } });
after(() => zone.remove());

const lines = (cases: readonly unknown[]): string => cases.map((one) => `${JSON.stringify(one)}\n`).join('');
const answers = (stdout: string): Answer[] =>
  stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Answer);
const batch = (input: string | Buffer, ...words: readonly string[]) => spf(['check', '--batch', ...words], { input });

const mail = { ip: '192.0.2.1', helo: 'h.example', from: 'u@a.example' };

describe('the RFC’s suite, each case with its own zone data', () => {
  const file = new URL('../rfc/rfc7208-tests.json', import.meta.url.replace('/dist/test/', '/test/'));
  const { scenarios } = JSON.parse(readFileSync(file, 'utf8')) as {
    scenarios: {
      zonedata: unknown;
      tests: { ip: string; helo: string; mailfrom: string; result: string[]; explanation?: string }[];
    }[];
  };
  it('has the results and explanations of the engine', async () => {
    const cases = scenarios.flatMap(({ tests, zonedata }) => tests.map((test) => ({ ...test, zonedata })));
    const { code, stdout } = await batch(
      lines(cases.map(({ ip, helo, mailfrom, zonedata }) => ({ ip, helo, from: mailfrom, zonedata }))),
    );
    const got = answers(stdout);
    assert.equal(code, 0);
    assert.deepEqual(
      got.map(({ result }) => result),
      cases.map(({ result }) => result[0]),
    );
    for (const [i, { explanation }] of cases.entries()) {
      if (explanation !== undefined)
        assert.equal((got[i]?.explanation ?? 'DEFAULT').toLowerCase(), explanation.toLowerCase());
    }
  });
});

describe('a line', () => {
  it('is answered with six keys, and with the trace when it is asked for', async () => {
    const [plain] = answers((await batch(lines([mail]), '--zone', zone.path)).stdout);
    assert.deepEqual(plain, {
      result: 'pass',
      explanation: null,
      mechanism: 'ip4:192.0.2.1',
      problem: null,
      lookups: 0,
      voids: 0,
    });
    const [traced] = answers((await batch(lines([mail]), '--zone', zone.path, '--explain')).stdout);
    assert.ok(traced && 'trace' in traced);
  });

  it('has its zone data in either form; --zone is for the others', async () => {
    const record = 'v=spf1 a mx -all';
    const { stdout, code } = await batch(
      lines([
        mail,
        { ...mail, zonedata: { 'a.example': [{ SPF: record }, { A: '192.0.2.1' }] } },
        {
          ...mail,
          zonedata: {
            'a.example': { TXT: [['v=spf1 a', ' mx -all']], MX: [[10, 'b.example']] },
            'b.example': { A: ['192.0.2.1'] },
          },
        },
        { ...mail, zonedata: { 'a.example': { timeout: true } } },
        { ...mail, zonedata: {} },
        { ...mail, zonedata: null },
      ]),
      '--zone',
      zone.path,
    );
    assert.equal(code, 0);
    assert.deepEqual(
      answers(stdout).map(({ result, mechanism }) => [result, mechanism]),
      [
        ['pass', 'ip4:192.0.2.1'],
        ['pass', 'a'],
        ['pass', 'mx'],
        ['temperror', null],
        ['none', null],
        ['pass', 'ip4:192.0.2.1'],
      ],
    );
  });

  const deep = (n: number): string => '['.repeat(n) + ']'.repeat(n);
  const bad: readonly [what: string, line: string | Buffer, problem: RegExp][] = [
    ['empty', '', /empty/],
    ['no JSON', '{"ip":', /not JSON/],
    ['no object', '[1]', /not a JSON object/],
    ['null', 'null', /not a JSON object/],
    ['no address', '{"helo":"a.example","from":""}', /"ip" is missing/],
    ['a wrong address', '{"ip":"192.0.2.999","helo":"a.example","from":""}', /"ip" must be an IPv4 or IPv6 address/],
    ['a number for an address', '{"ip":1,"helo":"a.example","from":""}', /"ip" must be a string/],
    ['nobody to judge', '{"ip":"192.0.2.1"}', /give "from", "helo" or both/],
    [
      'wrong zone data',
      '{"ip":"192.0.2.1","helo":"a.example","zonedata":{"a.example":{"A":["x"]}}}',
      /"zonedata": "a\.example": A: "x" is not/,
    ],
    [
      'zone data that nest too deep',
      `{"ip":"192.0.2.1","helo":"a.example","zonedata":{"a.example":{"A":${deep(20_000)}}}}`,
      /cannot be read: /,
    ],
    ['control characters', '{"ip":"\\u001b[31m\\u202e","helo":"a.example"}', /"ip" must be/],
    ['not UTF-8', Buffer.from('{"ip":"192.0.2.1","helo":"\xff"}', 'latin1'), /not UTF-8/],
    ['too long', `{"ip":"${'1'.repeat(17 * 1024 * 1024)}"}`, /longer than 16 MiB/],
  ];
  describe('that is bad', () => {
    let ran: Ran;
    before(async () => {
      const good = Buffer.from(lines([mail]));
      const input = bad.flatMap(([, line]) => [good, Buffer.from(line), Buffer.from('\n')]);
      ran = await batch(Buffer.concat([...input, good]), '--zone', zone.path);
    });

    for (const [i, [what, , problem]] of bad.entries()) {
      it(`${what}: is told in its place`, () => {
        const answer = answers(ran.stdout)[2 * i + 1] as Answer;
        assert.match(answer.problem ?? '', problem);
        assert.ok(answer.problem?.startsWith(`line ${2 * i + 2}: `), answer.problem ?? '');
        const { problem: _, ...rest } = answer;
        assert.deepEqual(rest, { result: null, explanation: null, mechanism: null, lookups: null, voids: null });
      });
    }

    it('leaves the others as they are, and makes the exit code 65', () => {
      const results = answers(ran.stdout).map(({ result }) => result);
      assert.deepEqual(results, [...bad.flatMap(() => ['pass', null]), 'pass']);
      assert.equal(ran.code, 65);
      assert.ok(isSafe(ran.stdout));
    });

    it('is told on standard error as well, by its number', () => {
      const told = ran.stderr.trimEnd().split('\n');
      assert.deepEqual(
        told.map((line) => /^postern: spf check: line (\d+): ./.exec(line)?.[1]),
        bad.map((_, i) => String(2 * i + 2)),
      );
      assert.ok(isSafe(ran.stderr));
    });
  });

  it('that is bad is told while there are few, then counted', async () => {
    const { stderr } = await batch('x\n'.repeat(25), '--zone', zone.path);
    const told = stderr.trimEnd().split('\n');
    assert.equal(told.length, 21);
    assert.equal(told.at(-1), 'postern: spf check: 5 more lines could not be read');
  });

  it('may begin with a byte order mark, end in CR LF, or be the last without an end', async () => {
    const text = JSON.stringify(mail);
    const { code, stdout } = await batch(`\uFEFF${text}\r\n${text}`, '--zone', zone.path);
    assert.deepEqual([code, answers(stdout).map(({ result }) => result)], [0, ['pass', 'pass']]);
  });

  it('none at all gives no answer', async () => {
    assert.deepEqual(await batch(''), { code: 0, stdout: '', stderr: '' });
  });
});

describe('the stream', () => {
  it('is answered as it comes, not at its end', async () => {
    const child = startSpf(['check', '--batch', '--zone', zone.path]);
    for (const from of ['u@a.example', 'u@b.example']) {
      child.stdin.write(lines([{ ...mail, from }]));
      const [chunk] = (await once(child.stdout, 'data')) as [Buffer];
      assert.equal(answers(chunk.toString()).length, 1);
    }
    child.stdin.end();
    assert.deepEqual(await once(child, 'close'), [0, null]);
  });

  it('may have an end that is of no interest to the reader', async () => {
    const child = startSpf(['check', '--batch', '--zone', zone.path]);
    let stderr = '';
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    child.stdin.on('error', () => {});
    child.stdout.once('data', () => child.stdout.destroy());
    child.stdin.end(lines(Array.from({ length: 50_000 }, () => mail)));
    assert.deepEqual([await once(child, 'close'), stderr], [[0, null], '']);
  });

  it('is evaluated side by side where DNS is slow, and answered in order', async () => {
    let waiting = 0;
    let peak = 0;
    const server = await fakeServer((asked) => {
      const delay = Number(/^d(\d+)\./.exec(asked.name)?.[1] ?? 0);
      if (delay === 500) {
        peak = Math.max(peak, ++waiting);
        setTimeout(() => waiting--, delay);
      }
      return [{ ...reply(asked, { answers: [txt(`v=spf1 ip4:192.0.2.1 exp=${asked.name} -all`)] }), afterMs: delay }];
    });
    const delays = Array.from({ length: 40 }, (_, i) => (i % 2 === 0 ? 500 : 1));
    const { stdout } = await batch(
      lines(
        delays.flatMap((delay, i) => [
          { ...mail, from: `u@d${delay}.n${i}.test` },
          { ...mail, zonedata: {} },
        ]),
      ),
      `--server=${server.address}`,
    );
    await server.close();
    assert.deepEqual(
      answers(stdout).map(({ result }) => result),
      delays.flatMap(() => ['pass', 'none']),
    );
    assert.ok(peak > 5, `${peak} questions at a time`);
  });
});
