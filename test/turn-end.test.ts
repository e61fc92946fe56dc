import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';

const turnEnd = JSON.stringify(new URL('../src/turn-end.js', import.meta.url).href);

/** What a program says that outlives its mistakes, as a worker does. */
function said(body: string): string {
  const source = `import { atTurnEnd } from ${turnEnd};
    const say = (word) => process.stdout.write(word + ' ');
    process.on('uncaughtException', ({ message }) => say(message));
    ${body}`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', source], { encoding: 'utf8' });
  assert.equal(stderr, '');
  return stdout.trim();
}

test('calls are made when the turn is over, in order; what they ask for comes a turn later', () => {
  const body = `atTurnEnd(() => { say('a'); atTurnEnd(() => say('d')); });
    atTurnEnd(() => say('b'));
    setImmediate(() => say('c'));
    Promise.resolve().then(() => say('now'));`;
  assert.equal(said(body), 'now a b c d');
});

test('a call that throws costs none of the others', () => {
  const fails = (word: string): string => `atTurnEnd(() => { throw new Error('${word}'); });`;
  const body = `atTurnEnd(() => { say('a'); atTurnEnd(() => say('d')); });
    ${fails('oops')} atTurnEnd(() => say('b')); ${fails('again')} atTurnEnd(() => say('c'));`;
  assert.equal(said(body), 'a oops b again c d');
});
