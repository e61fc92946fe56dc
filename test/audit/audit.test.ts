/** The audit on disk: lines both ways, many writers, a bound, and what happens where it cannot be written. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import fc from 'fast-check';
import { type AuditEntry, auditLine, holdsWords, parseAuditLine } from '../../src/audit/audit-entry.js';
import { Audit, auditFile, type AuditRecord, readAudit } from '../../src/audit/audit.js';

const done: AuditRecord = {
  from: '192.0.2.1',
  who: 'anna',
  what: 'marker made',
  target: '/srv/example.com/checks/spf',
  result: 'done',
};

function folder(t: TestContext): string {
  const state = fs.mkdtempSync(path.join(os.tmpdir(), 'postern-audit-'));
  t.after(() => fs.rmSync(state, { recursive: true, force: true }));
  return state;
}

const unexpected = (problem: string): never => assert.fail(problem);

test('whatever octets of a stranger are in it, an entry is one line of ASCII or plain text, and comes back as it was', () => {
  const text = fc.string({ unit: 'binary', maxLength: 200 }).filter((one) => !/[\ud800-\udfff]/.test(one));
  fc.assert(
    fc.property(fc.tuple(text, text, text, text, text), ([who, target, old, detail, result]) => {
      const entry: AuditEntry = { ...done, time: '2026-11-29T07:00:00.000Z', who, target, old, detail, result };
      const line = auditLine(entry);
      assert.doesNotMatch(line.slice(0, -1), /[\p{Cc}\p{Cf}\u2028\u2029]/u);
      assert.deepEqual(parseAuditLine(line.trimEnd()), entry);
    }),
  );
});

const noLines = [
  '',
  '{}',
  '[]',
  'null',
  '{"time":"x","what":"released"}',
  '{"time":"2026-11-29T07:00:00Z","what":"x"}',
];
for (const line of noLines)
  test(`${line || 'nothing'} is no line`, () => assert.equal(parseAuditLine(line), undefined));

test('a line behind the rest of a torn one is read', () => {
  const line = auditLine({ ...done, time: '2026-11-29T07:00:00.000Z', target: '{"time":"' }).trimEnd();
  assert.equal(parseAuditLine(line.slice(0, 40) + line)?.target, '{"time":"');
});

test('the newest comes first, and is found by words in whatever case', (t) => {
  const state = folder(t);
  const audit = new Audit({ state, onProblem: unexpected });
  for (const who of ['anna', 'Bob', 'carol']) audit.record({ ...done, who });
  assert.deepEqual(
    [...readAudit(state)].map(({ who }) => who),
    ['carol', 'Bob', 'anna'],
  );
  assert.deepEqual(
    [...readAudit(state)].filter((entry) => holdsWords(entry, ['bob', 'SPF'])).map(({ who }) => who),
    ['Bob'],
  );
});

test('lines of several processes at once stay whole, and the full file is moved away once', async (t) => {
  const state = folder(t);
  const module = new URL('../../src/audit/audit.js', import.meta.url).href;
  const script = `const { Audit } = await import(${JSON.stringify(module)});
    const audit = new Audit({ state: process.argv[1], maxOctets: 60_000, onProblem: (problem) => { throw new Error(problem); } });
    for (let i = 0; i < 200; i++) audit.record({ from: 'x', who: process.argv[2], what: 'released', target: String(i).padStart(60), result: 'done' });`;
  const ended = ['a', 'b', 'c', 'd'].map(
    (who) =>
      new Promise((resolve) =>
        spawn(process.execPath, ['--input-type=module', '-e', script, state, who], { stdio: 'inherit' }).on(
          'exit',
          resolve,
        ),
      ),
  );
  assert.deepEqual(await Promise.all(ended), [0, 0, 0, 0]);
  const files = fs.readdirSync(state).filter((name) => name !== 'audit.lock');
  assert.ok(files.includes('audit.1') && files.length <= 2, files.join());
  const lines = files.flatMap((name) => fs.readFileSync(path.join(state, name), 'utf8').trimEnd().split('\n'));
  assert.ok(lines.every((line) => parseAuditLine(line) !== undefined));
  assert.equal([...readAudit(state)].length, lines.length);
  assert.ok(lines.length >= 300, String(lines.length));
});

test('it is written for whoever the state folder belongs to, and never through a link', (t) => {
  const state = folder(t);
  const isRoot = process.getuid?.() === 0;
  if (isRoot) fs.chownSync(state, 12_345, 12_346);
  new Audit({ state, onProblem: unexpected }).record(done);
  const { uid, mode } = fs.statSync(auditFile(state));
  assert.deepEqual([uid, mode & 0o007], [fs.statSync(state).uid, 0]);
  fs.rmSync(auditFile(state));
  fs.symlinkSync(path.join(state, 'elsewhere'), auditFile(state));
  const problems: string[] = [];
  new Audit({ state, onProblem: (problem) => problems.push(problem) }).record(done);
  assert.match(problems.join(), /cannot be written \(ELOOP\): marker made \/srv\/example\.com\/checks\/spf/);
  assert.ok(!fs.existsSync(path.join(state, 'elsewhere')));
});

test('where there is no state folder nothing is recorded, and nobody complains; the log has it all the same', (t) => {
  const state = path.join(folder(t), 'nowhere');
  const told: AuditRecord[] = [];
  new Audit({ state, onRecord: (record) => told.push(record), onProblem: unexpected }).record(done);
  assert.deepEqual(told, [done]);
  assert.ok(!fs.existsSync(state));
  assert.deepEqual([...readAudit(state)], []);
});

test('wrong tokens, however many, do not push the changes out', (t) => {
  const state = folder(t);
  const audit = new Audit({ state, onProblem: unexpected });
  audit.record(done);
  for (let i = 0; i < 1_500; i++) audit.record({ ...done, who: '', what: 'log-in failed', result: 'wrong token' });
  audit.record(done);
  const entries = [...readAudit(state)];
  assert.equal(entries.length, 1_002);
  assert.equal(entries.filter(({ what }) => what === 'marker made').length, 2);
});
